/* Why a client does not get what it asked for: what an ERROR message will say, with its own text.
 */
#ifndef REFUSAL_H
#define REFUSAL_H

#include <stdint.h>

#include "protocol/podlogin-status.h"

#define REFUSAL_DETAIL_MAX 256 /* bytes, without the NUL */

/* Zeroed, it refuses nothing: its status is PODLOGIN_OK. */
struct refusal {
    enum podlogin_status status;
    uint32_t retry_after_ms;             /* 0: no advice */
    char detail[REFUSAL_DETAIL_MAX + 1]; /* what is particular to this case; "": nothing */
};

/*
 * Fills @refusal with @status, no advice, and a detail in the manner of printf(), cut to fit.
 * Returns @status.
 */
__attribute__((format(printf, 3, 4))) enum podlogin_status
refusal_set(struct refusal *refusal, enum podlogin_status status, const char *format, ...);

/* The same without a detail: the status says it all. */
enum podlogin_status refusal_set_status(struct refusal *refusal, enum podlogin_status status);

#endif
