/* Further issuers whose tokens the upstream accepts, with their key sets. */
#ifndef STANDIN_TRUST_H
#define STANDIN_TRUST_H

#include <jansson.h>
#include <pthread.h>

#include "standin/keys.h"

struct trust {
    pthread_mutex_t *lock;
    json_t *issuers; /* by URL: an array of the JWKs of its keys */
};

void trust_init(struct trust *trust, pthread_mutex_t *lock);
void trust_done(struct trust *trust);

/*
 * Trusts the issuers of @in, {"issuers":[{"url":"...","keys":{"keys":[...]}}]}, and no others.
 * Returns NULL, or an error message, which the caller frees.
 */
char *trust_set(struct trust *trust, const json_t *in);

/* Returns NULL, or what is wrong with @keys, an array of JWKs; the caller frees it. */
char *trust_check(const json_t *keys);

/*
 * Trusts one more issuer, with @keys, which trust_check() has accepted; NULL: does not trust it any
 * more. The caller holds the lock.
 */
void trust_put(struct trust *trust, const char *url, const json_t *keys);

/* Returns whether the issuer is one of them. */
bool trust_has(struct trust *trust, const char *issuer);

/* Returns a reference to the key @kid of @issuer, or NULL. */
struct key *trust_find(struct trust *trust, const char *issuer, const char *kid);

#endif
