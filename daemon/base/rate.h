/*
 * A rate with a burst, as the generic cell rate algorithm (ITU-T I.371): one number says how far
 * ahead of the rate somebody is, so nothing has to be filled up in the background.
 */
#ifndef RATE_H
#define RATE_H

#include <stdint.h>

struct rate_limit {
    uint32_t per_s; /* 0: none */
    uint32_t burst; /* at once, after a pause; at least 1 */
};

/* Zeroed at first. */
struct rate {
    uint64_t paid_until_usec;
};

/*
 * Takes one turn, which is booked even if it is yet to come. How long to wait for it, in
 * microseconds; 0: it is now.
 */
uint64_t rate_take(struct rate *rate, const struct rate_limit *limit, uint64_t now_usec);

/* Takes a turn if it is now; else books nothing and returns how long it would take. */
uint64_t rate_try(struct rate *rate, const struct rate_limit *limit, uint64_t now_usec);

/* Gives a booked turn back, because nobody waits for it any more. */
void rate_return(struct rate *rate, const struct rate_limit *limit);

#endif
