/*
 * Why a request is refused: the content of an ERROR message. A refusal owns its text, so it can be
 * copied and kept.
 */
#ifndef MESSAGE_REFUSAL_H
#define MESSAGE_REFUSAL_H

#include <stdint.h>

#include "protocol/podlogin-status.h"

#define REFUSAL_DETAIL_MAX 256 /* bytes, not counting the NUL */

/* A zeroed refusal has the status PODLOGIN_OK: nothing is refused. */
struct refusal {
    enum podlogin_status status;
    uint32_t retry_after_ms;             /* when to retry; 0: no advice */
    char detail[REFUSAL_DETAIL_MAX + 1]; /* what is specific to this case; may be "" */
};

/*
 * Sets the status and a detail in the manner of printf(3), truncated to REFUSAL_DETAIL_MAX bytes.
 * Clears the retry advice. Returns @status.
 */
__attribute__((format(printf, 3, 4))) enum podlogin_status
refusal_set(struct refusal *refusal, enum podlogin_status status, const char *format, ...);

/* Sets the status, and clears the detail and the retry advice. Returns @status. */
enum podlogin_status refusal_set_status(struct refusal *refusal, enum podlogin_status status);

#endif
