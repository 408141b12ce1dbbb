/* What each result means to a person, a script and a retry loop: one row per enum podlogin_status.
 */
#ifndef STATUS_H
#define STATUS_H

#include <stdbool.h>
#include <stddef.h>

#include "protocol/podlogin-status.h"

/* Exit codes of sysexits.h that the command uses. */
enum exit_code {
    EXIT_CODE_OK = 0,
    EXIT_CODE_USAGE = 64,
    EXIT_CODE_UNREACHABLE = 69,
    EXIT_CODE_FAULT = 70,
    EXIT_CODE_TRY_AGAIN = 75,
    EXIT_CODE_REFUSED = 77,
    EXIT_CODE_CONFIG = 78,
};

struct status_info {
    enum podlogin_status status;
    const char *name; /* "TOKEN_EXPIRED" */
    enum exit_code exit_code;
    bool is_retryable;    /* the same request may succeed later */
    const char *sentence; /* what happened, and what to do about it */
};

/* Never NULL: a number that this build does not know is described as INTERNAL. */
const struct status_info *status_info(enum podlogin_status status);

/* The whole table, for the documentation test and for tools. */
const struct status_info *status_table(size_t *ret_n);

#endif
