/*
 * A circuit breaker: whether an exchange may go to its upstream now. Pure, but for the jitter.
 *
 * Closed, it lets exchanges through. Three failures in a row open it for a random pause, which
 * grows with each opening; then one exchange goes as a probe. Once an upstream is back, the number
 * of exchanges at once begins at one and doubles each round, so that ten thousand nodes do not
 * bring it down again.
 */
#ifndef BREAKER_H
#define BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/outcome.h"

#define BREAKER_WINDOW_MAX 64 /* exchanges at once */

enum breaker_verdict {
    BREAKER_PASS,
    BREAKER_WAIT, /* for the end of another exchange */
    BREAKER_OPEN, /* for breaker_delay_usec() */
};

struct breaker {
    uint64_t open_until_usec; /* 0: closed */
    unsigned points;          /* failures in a row */
    unsigned n_opened;        /* since all was well */
    unsigned window;
    unsigned n_in_flight;
    bool is_probing;
};

/* Of an exchange that was let through. */
struct breaker_pass {
    bool is_probe;
};

void breaker_init(struct breaker *breaker);

enum breaker_verdict breaker_ask(const struct breaker *breaker, uint64_t now_usec);

/* How long it stays open; 0: it is not. */
uint64_t breaker_delay_usec(const struct breaker *breaker, uint64_t now_usec);

/* After BREAKER_PASS. Each pass ends in one of the two functions below. */
struct breaker_pass breaker_begin(struct breaker *breaker, uint64_t now_usec);

/* @retry_after_ms: what the upstream asked for; 0: nothing. */
void breaker_end(struct breaker *breaker, struct breaker_pass pass, enum outcome outcome,
                 uint32_t retry_after_ms, uint64_t now_usec);

/* The exchange was given up, and says nothing of the upstream. */
void breaker_abandon(struct breaker *breaker, struct breaker_pass pass);

#endif
