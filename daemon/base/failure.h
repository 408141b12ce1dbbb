/*
 * Failures that are remembered for a while, so that asking again costs no exchange: refusals with
 * the JWT that was refused, and misconfigurations with their service. A few at a time; the oldest
 * makes room.
 */
#ifndef FAILURE_H
#define FAILURE_H

#include "base/digest.h"
#include "base/list.h"

#define FAILURES_MAX       16 /* per list */
#define FAILURE_DETAIL_MAX 257

struct failure {
    struct list node;
    struct digest key;
    uint64_t until_usec; /* CLOCK_BOOTTIME */
    uint64_t pause_usec; /* what it was remembered for the last time */
    char detail[FAILURE_DETAIL_MAX];
};

/* A list of them; zeroed at first. */
struct failures {
    struct list list; /* next NULL: never had one */
    size_t n;
};

/* NULL: none that still counts. Valid until the list is changed. */
const struct failure *failures_find(const struct failures *failures, const struct digest *key,
                                    uint64_t now_usec);

/*
 * Remembers for @first_usec, and for twice as long as before, up to @most_usec, if the key has
 * failed before. Without memory for it, nothing is remembered.
 */
void failures_add(struct failures *failures, const struct digest *key, const char *detail,
                  uint64_t first_usec, uint64_t most_usec, uint64_t now_usec);

void failures_clear(struct failures *failures);

#endif
