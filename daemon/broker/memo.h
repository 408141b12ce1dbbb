/*
 * What the broker attaches to an identity: the cache key for the service that it asked for last, so
 * that a hit computes no digest, and the refusals of its JWT by upstreams.
 */
#ifndef BROKER_MEMO_H
#define BROKER_MEMO_H

#include "base/failure.h"
#include "identity/identity.h"

struct service;

struct memo {
    struct identity_memo base;
    uint64_t service_id; /* service->id that cache_key is for; 0: none */
    struct digest cache_key;
    struct failures refusals; /* by cache key */
};

/*
 * Returns the memo of @identity, created on the first call; NULL: out of memory. The identity owns
 * it.
 */
struct memo *memo_of(struct identity *identity);

/*
 * Returns the cache key of @identity for @service, valid until the next call for @identity; NULL:
 * out of memory.
 */
const struct digest *memo_cache_key(struct identity *identity, const struct service *service);

/* Forgets the refusals of the identity's JWT. */
void memo_forget_refusals(struct identity *identity);

#endif
