/*
 * What has happened since the start, counted where it happens. The names are those of the metrics
 * (Prometheus), each with its labels.
 */
#ifndef COUNTERS_H
#define COUNTERS_H

#include <stdint.h>

#include "base/outcome.h"

enum counter {
    /* requests, by what the client is told */
    COUNTER_REQUESTS_OK,
    COUNTER_REQUESTS_REFUSED,     /* trying again does not help */
    COUNTER_REQUESTS_UNAVAILABLE, /* it may help */
    COUNTER_REQUESTS_FAULT,       /* of the daemon, or of the client's protocol */
    COUNTER_CACHE_HITS,
    /* exchanges that have ended, in the order of enum outcome */
    COUNTER_EXCHANGES,
    COUNTER_EXCHANGES_END = COUNTER_EXCHANGES + OUTCOMES - 1,
    COUNTER_REFRESH_FAILURES, /* of tokens that were still good */
    /* connections that were turned away */
    COUNTER_REJECTED_QUOTA,
    COUNTER_REJECTED_BARRED,
    COUNTER_REJECTED_SHORTAGE, /* of descriptors or memory */
    COUNTER_REJECTED_YOUNG,    /* before Linux 6.5: the process may be another */
    COUNTER_STORE_ERRORS,
    COUNTER_CLOCK_STEPS,
    COUNTERS,
};

extern uint64_t counters[COUNTERS];

/* In the thread of the event loop. */
static inline void count(enum counter counter)
{
    counters[counter]++;
}

struct counter_info {
    const char *metric; /* "podlogin_requests_total" */
    const char *labels; /* "result=\"ok\""; "": none */
};

const struct counter_info *counter_info(enum counter counter);

#endif
