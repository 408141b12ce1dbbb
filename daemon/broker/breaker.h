/*
 * A circuit breaker: decides whether an exchange may go to its upstream now. It does no I/O and
 * reads no clock; its pauses are random.
 *
 * While closed, it lets exchanges through. Three failures in a row open it for a random pause,
 * which gets longer each time; a malformed answer counts as two failures, and a throttled or
 * untrusted one opens it at once. After the pause, one exchange goes as a probe. The number of
 * concurrent exchanges starts at one, at first and when the upstream is back, and doubles each
 * round trip. If the very first one has no answer after a second, the others wait no longer.
 *
 * When an upstream that has not answered often yet refuses an exchange, and after a long outage,
 * exchanges are spaced: one at a time, an interval apart. So ten thousand nodes that know nothing
 * of each other do not overload an upstream together (docs/decisions/0046).
 */
#ifndef BROKER_BREAKER_H
#define BROKER_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/outcome.h"

#define BREAKER_WINDOW_MAX 64 /* concurrent exchanges */

enum breaker_verdict {
    BREAKER_PASS,
    BREAKER_WAIT,  /* until another exchange ends */
    BREAKER_LATER, /* open, or spaced: after breaker_delay_usec() */
};

struct breaker {
    uint64_t open_until_usec; /* 0: closed */
    uint64_t opened_usec;     /* when it opened, since it was last closed */
    unsigned points;          /* failures in a row; a malformed answer counts twice */
    unsigned n_opened;        /* openings since a success with a full window */
    unsigned window;          /* concurrent exchanges that are allowed */
    unsigned n_in_flight;
    bool is_probing;
    uint64_t first_usec;  /* when the first exchange began; 0: none has */
    bool has_ended;       /* an exchange has had a result */
    unsigned n_good;      /* successes while exchanges were not spaced; counts up to KNOWN */
    uint64_t failed_usec; /* the latest failure that opened it, or kept it open */

    uint64_t spaced_until_usec; /* exchanges are spaced until then, */
    uint64_t interval_usec;     /* this far apart */
    uint64_t due_usec;          /* when the next one would be due if none had been late */
    uint64_t next_usec;         /* when the next one may go */
    unsigned n_refused;         /* in a row; while spaced, with the one that began it */
};

/* Describes an exchange that was let through. */
struct breaker_pass {
    bool is_spaced; /* the next one is planned when it ends */
    bool is_probe;
};

void breaker_init(struct breaker *breaker);

/* Decides about an exchange. Changes nothing. */
enum breaker_verdict breaker_ask(const struct breaker *breaker, uint64_t now_usec);

/* Returns how long no exchange passes; 0: it is neither open nor are exchanges spaced so far. */
uint64_t breaker_delay_usec(const struct breaker *breaker, uint64_t now_usec);

/* Returns how far apart exchanges are; 0: they are not spaced. */
uint64_t breaker_interval_usec(const struct breaker *breaker, uint64_t now_usec);

/*
 * After BREAKER_WAIT: returns after how long to ask again if no exchange ends before; 0: there is
 * no such time.
 */
uint64_t breaker_wait_usec(const struct breaker *breaker, uint64_t now_usec);

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
