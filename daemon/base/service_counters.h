/*
 * Counts and durations of requests and exchanges since the start, for each service by its name: a
 * service keeps its counts when the configuration is reloaded. Only for the thread of the loop.
 */
#ifndef BASE_SERVICE_COUNTERS_H
#define BASE_SERVICE_COUNTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/outcome.h"

#define SERVICE_COUNTERS_MAX 64 /* further ones are counted together, as "(others)" */
#define HISTOGRAM_BUCKETS    19

/* The upper bounds of the buckets; a last one has no bound. */
extern const uint32_t histogram_bounds_usec[HISTOGRAM_BUCKETS];

struct histogram {
    uint64_t n[HISTOGRAM_BUCKETS + 1];
    uint64_t sum_usec;
};

/* By the status that the client gets. */
enum request_result {
    REQUEST_OK,
    REQUEST_REFUSED,     /* a retry does not help */
    REQUEST_UNAVAILABLE, /* a retry may help */
    REQUEST_FAULT,       /* an error of the daemon, or of the client's messages */
    REQUEST_RESULTS,
};

struct service_counters {
    char name[65]; /* "": requests for no service, or for one that is not configured */
    uint64_t requests[REQUEST_RESULTS];
    uint64_t hits;
    uint64_t exchanges[OUTCOMES];
    struct histogram hit, miss; /* requests that were answered with a token */
    struct histogram exchange;
};

/* Counts an answer. @service: NULL: none. */
void count_request(const char *service, enum request_result result);

/* Counts the duration of a request that was answered with a token. */
void count_served(const char *service, bool is_hit, uint64_t usec);

/* Counts an exchange that has ended. */
void count_exchange(const char *service, enum outcome outcome, uint64_t usec);

/* Returns the counters of all services that have any. */
const struct service_counters *service_counters(size_t *ret_n);

#endif
