/* The issuer's signing keys: which sign now, which are published, and which must never be trusted.
 */
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
    json_t *jwk; /* the public half, as Kubernetes publishes it */
};

struct key *key_ref(struct key *key);
void key_unref(struct key *key);
DEFINE_CLEANUP(struct key *, key_unref)

/*
 * Only the control interface's one thread changes a keyring, and takes the lock to do so. Keys are
 * made without the lock: an RSA key can take a second.
 */
struct keyring {
    pthread_mutex_t *lock;
    int rsa_bits;
    struct key *current[JWS_ALGORITHMS];  /* NULL until the algorithm is asked for */
    struct key *previous[JWS_ALGORITHMS]; /* retired by the latest rotation */
    struct key *rogue[JWS_ALGORITHMS];    /* never published */
    struct key **published;
    size_t n_published;
};

int keyring_init(struct keyring *keyring, pthread_mutex_t *lock, int rsa_bits);
void keyring_done(struct keyring *keyring);

/* These return a reference, or NULL when there is no such key (or none could be made). */
struct key *keyring_current(struct keyring *keyring, const struct jws_algorithm *algorithm);
struct key *keyring_rogue(struct keyring *keyring, const struct jws_algorithm *algorithm);
struct key *keyring_previous(struct keyring *keyring, const struct jws_algorithm *algorithm);

/* The published key called @kid. */
struct key *keyring_find(struct keyring *keyring, const char *kid);

/*
 * Makes a new current key. Its predecessor stays published if @keep_old; otherwise all of the
 * algorithm's retired keys leave the set. Returns a reference to the new key.
 */
struct key *keyring_rotate(struct keyring *keyring, const struct jws_algorithm *algorithm,
                           bool keep_old);

/* {"keys":[...]} as text, and the algorithms in it as a JSON array; the caller owns both. */
char *keyring_document(struct keyring *keyring);
json_t *keyring_algorithms(struct keyring *keyring);

#endif
