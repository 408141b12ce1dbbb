/*
 * What the broker remembers with an identity: the cache key of the service that it was last asked
 * for, so that a hit computes no digest, and what upstreams have refused to its JWT.
 */
#ifndef MEMO_H
#define MEMO_H

#include "base/failure.h"
#include "identity/identity.h"

struct service;

struct memo {
    struct identity_memo base;
    uint64_t service_id; /* of the service that cache_key is for; 0: none */
    struct digest cache_key;
    struct failures refusals; /* by cache key */
};

/* Made when it is first asked for. NULL: out of memory. */
struct memo *memo_of(struct identity *identity);

/* The cache key of @identity for @service, valid until the next call; NULL: out of memory. */
const struct digest *memo_cache_key(struct identity *identity, const struct service *service);

/* Forgets what upstreams have refused. */
void memo_forget_refusals(struct identity *identity);

#endif
