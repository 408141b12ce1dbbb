/*
 * A token bucket, implemented as the generic cell rate algorithm (ITU-T I.371). Its state is a
 * single time, how far ahead the rate has been used up, so nothing needs to refill it in the
 * background.
 */
#ifndef BASE_TOKEN_BUCKET_H
#define BASE_TOKEN_BUCKET_H

#include <stdint.h>

struct rate_limit {
    uint32_t per_s; /* 0: unlimited */
    uint32_t burst; /* how many at once after a pause; at least 1 */
};

/* Initially zeroed. */
struct token_bucket {
    uint64_t reserved_until_usec;
};

/*
 * Takes a token, in advance if the bucket is empty. Returns how many microseconds to wait before
 * using it; 0: use it now.
 */
uint64_t token_bucket_reserve(struct token_bucket *rate, const struct rate_limit *limit,
                              uint64_t now_usec);

/*
 * Takes a token if there is one, and returns 0. Otherwise takes nothing and returns in how many
 * microseconds there will be one.
 */
uint64_t token_bucket_try(struct token_bucket *rate, const struct rate_limit *limit,
                          uint64_t now_usec);

/* Gives back a token that was taken in advance and will not be used. */
void token_bucket_refund(struct token_bucket *rate, const struct rate_limit *limit);

#endif
