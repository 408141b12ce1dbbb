/* What each status means to a person, a script and a retry loop: a table of all of them. */
#ifndef PROTOCOL_STATUS_H
#define PROTOCOL_STATUS_H

#include <stdbool.h>
#include <stddef.h>

#include "protocol/podlogin-status.h"

/* The exit codes of sysexits.h that the command uses. */
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
    const char *sentence; /* what happened, and what to do */
};

/* Returns the row of @status; for an unknown number that of INTERNAL. Never NULL. */
const struct status_info *status_info(enum podlogin_status status);

/* Returns the whole table, for the documentation test and for tools. */
const struct status_info *status_table(size_t *ret_n);

#endif
