/*
 * A rate with a burst, as the generic cell rate algorithm (ITU-T I.371): one number says how far
 * ahead of the rate somebody is, so nothing has to be filled up in the background.
 */
#ifndef TOKEN_BUCKET_H
#define TOKEN_BUCKET_H

#include <stdint.h>

struct rate_limit {
    uint32_t per_s; /* 0: none */
    uint32_t burst; /* at once, after a pause; at least 1 */
};

/* Zeroed at first. */
struct token_bucket {
    uint64_t reserved_until_usec;
};

/*
 * Takes one turn, which is booked even if it is yet to come. How long to wait for it, in
 * microseconds; 0: it is now.
 */
uint64_t token_bucket_reserve(struct token_bucket *rate, const struct rate_limit *limit,
                              uint64_t now_usec);

/* Takes a turn if it is now; else books nothing and returns how long it would take. */
uint64_t token_bucket_try(struct token_bucket *rate, const struct rate_limit *limit,
                          uint64_t now_usec);

/* Gives a booked turn back, because nobody waits for it any more. */
void token_bucket_refund(struct token_bucket *rate, const struct rate_limit *limit);

#endif
