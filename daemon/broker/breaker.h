/*
 * A circuit breaker: decides whether an exchange may go to its upstream now. It does no I/O and
 * reads no clock; its pauses are random.
 *
 * While closed, it lets exchanges through. Three failures in a row open it for a random pause,
 * which gets longer each time; a malformed answer counts as two failures, and a throttled or
 * untrusted one opens it at once. After the pause, one exchange goes as a probe. When the upstream
 * is back, the number of concurrent exchanges starts at one and doubles each round trip, so that
 * ten thousand nodes do not overload it again.
 */
#ifndef BROKER_BREAKER_H
#define BROKER_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/outcome.h"

#define BREAKER_WINDOW_MAX 64 /* concurrent exchanges */

enum breaker_verdict {
    BREAKER_PASS,
    BREAKER_WAIT, /* until another exchange ends */
    BREAKER_OPEN, /* until breaker_delay_usec() has passed */
};

struct breaker {
    uint64_t open_until_usec; /* 0: closed */
    unsigned points;          /* failures in a row; a malformed answer counts twice */
    unsigned n_opened;        /* openings since a success with a full window */
    unsigned window;          /* concurrent exchanges that are allowed */
    unsigned n_in_flight;
    bool is_probing;
};

/* Describes an exchange that was let through. */
struct breaker_pass {
    bool is_probe;
};

void breaker_init(struct breaker *breaker);

/* Decides about an exchange. Changes nothing. */
enum breaker_verdict breaker_ask(const struct breaker *breaker, uint64_t now_usec);

/* Returns how long the breaker stays open; 0: it is not open. */
uint64_t breaker_delay_usec(const struct breaker *breaker, uint64_t now_usec);

/* Begins an exchange, after BREAKER_PASS. Each pass ends with one of the two functions below. */
struct breaker_pass breaker_begin(struct breaker *breaker, uint64_t now_usec);

/*
 * Ends an exchange with a result. @retry_after_ms: the delay that the upstream asked for; 0: none.
 */
void breaker_end(struct breaker *breaker, struct breaker_pass pass, enum outcome outcome,
                 uint32_t retry_after_ms, uint64_t now_usec);

/* Ends an exchange that was cancelled: it says nothing about the upstream. */
void breaker_abandon(struct breaker *breaker, struct breaker_pass pass);

#endif
