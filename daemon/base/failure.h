/*
 * A negative cache: remembers recent failures, so that a repeated request does not cause another
 * exchange. A list holds FAILURES_MAX failures; a new one replaces the one that was added least
 * recently.
 */
#ifndef BASE_FAILURE_H
#define BASE_FAILURE_H

#include "base/digest.h"
#include "base/list.h"

#define FAILURES_MAX       16  /* in one list */
#define FAILURE_DETAIL_MAX 257 /* bytes, with the NUL */

struct failure {
    struct list node;
    struct digest key;
    uint64_t until_usec; /* when it expires, CLOCK_BOOTTIME */
    uint64_t pause_usec; /* how long it was remembered the last time */
    char detail[FAILURE_DETAIL_MAX];
};

/* Initially zeroed. */
struct failures {
    struct list list; /* oldest first; next NULL: not initialized yet */
    size_t n;
};

/*
 * Returns the failure of @key, or NULL if there is none or it has expired. Valid until the list
 * changes.
 */
const struct failure *failures_find(const struct failures *failures, const struct digest *key,
                                    uint64_t now_usec);

/*
 * Remembers a failure of @key for @first_usec. If the list still has an earlier failure of @key,
 * expired or not, remembers it for twice as long as the last time, but at most for @most_usec. Does
 * nothing if memory runs out.
 *
 * @detail: copied, truncated to FAILURE_DETAIL_MAX - 1 bytes.
 */
void failures_add(struct failures *failures, const struct digest *key, const char *detail,
                  uint64_t first_usec, uint64_t most_usec, uint64_t now_usec);

/* Removes all failures. */
void failures_clear(struct failures *failures);

#endif
