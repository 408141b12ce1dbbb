/* The issuer's signing keys: current, retired, published, and rogue ones. */
#ifndef STANDIN_KEYS_H
#define STANDIN_KEYS_H

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "standin/jws.h"
#include "standin/memory.h"

struct key {
    atomic_uint references;
    const struct jws_algorithm *algorithm;
    EVP_PKEY *pair;
    char *kid;   /* the RFC 7638 thumbprint, so no two keys share one */
    json_t *jwk; /* the public key, as Kubernetes publishes it */
};

/* Makes a key of a JWK (RFC 7517), for verifying only; NULL: it is not one of these algorithms. */
struct key *key_import(const json_t *jwk);

struct key *key_ref(struct key *key);
void key_unref(struct key *key);
DEFINE_CLEANUP(struct key *, key_unref)

/*
 * Only the thread of the control interface changes a keyring, and takes the lock for it. It
 * generates keys without the lock, because an RSA key can take a second.
 */
struct keyring {
    pthread_mutex_t *lock;
    int rsa_bits;
    struct key *current[JWS_ALGORITHMS];  /* NULL until the algorithm is used */
    struct key *previous[JWS_ALGORITHMS]; /* retired by the latest rotation */
    struct key *rogue[JWS_ALGORITHMS];    /* never published */
    struct key **published;
    size_t n_published;
};

int keyring_init(struct keyring *keyring, pthread_mutex_t *lock, int rsa_bits);
void keyring_done(struct keyring *keyring);

/*
 * These return a reference, or NULL when there is no such key. The first two generate a missing
 * key, and return NULL when OpenSSL fails.
 */
struct key *keyring_current(struct keyring *keyring, const struct jws_algorithm *algorithm);
struct key *keyring_rogue(struct keyring *keyring, const struct jws_algorithm *algorithm);
struct key *keyring_previous(struct keyring *keyring, const struct jws_algorithm *algorithm);

/* Returns a reference to the published key @kid, or NULL. */
struct key *keyring_find(struct keyring *keyring, const char *kid);

/*
 * Makes a new current key. With @keep_old its predecessors stay published; otherwise all older keys
 * of the algorithm leave the set.
 *
 * Returns a reference to the new key, or NULL when OpenSSL fails.
 */
struct key *keyring_rotate(struct keyring *keyring, const struct jws_algorithm *algorithm,
                           bool keep_old);

/* The key set, {"keys":[...]}, as text. The caller frees it. */
char *keyring_document(struct keyring *keyring);

/* The names of the algorithms that have a current key, as an array. The caller owns it. */
json_t *keyring_algorithms(struct keyring *keyring);

#endif
