/*
 * Counts of events since the start that belong to no service, incremented where the event happens;
 * base/service_counters.h has the others. counter_info() maps each
 * counter to a Prometheus metric and its labels.
 */
#ifndef BASE_COUNTERS_H
#define BASE_COUNTERS_H

#include <stdint.h>

enum counter {
    COUNTER_REFRESH_FAILURES, /* of tokens that were still valid */
    /* rejected connections */
    COUNTER_REJECTED_QUOTA,
    COUNTER_REJECTED_BARRED,
    COUNTER_REJECTED_SHORTAGE, /* of descriptors or memory */
    COUNTER_REJECTED_YOUNG,    /* before Linux 6.5: the pid may have been recycled */
    COUNTER_REJECTED_GONE,     /* PeerAttestation=enforce: the process has ended */
    COUNTER_STORE_ERRORS,
    COUNTER_CLOCK_STEPS,
    COUNTERS,
};

extern uint64_t counters[COUNTERS];

/* Increments @counter. Only for the thread of the event loop. */
static inline void counter_add(enum counter counter)
{
    counters[counter]++;
}

struct counter_info {
    const char *metric; /* "podlogin_rejected_total" */
    const char *labels; /* "reason=\"quota\""; "": none */
};

/* Returns the metric of @counter; constant. */
const struct counter_info *counter_info(enum counter counter);

#endif
