/*
 * What the administrator can do about an error: the only table of these texts. podloginctl prints
 * them, and docs/errors.md is made of them.
 */
#ifndef CTL_REMEDY_H
#define CTL_REMEDY_H

#include <stddef.h>

#include "protocol/podlogin-status.h"

struct remedy {
    enum podlogin_status status;
    const char *symptom; /* a part of the detail, to which the text applies; NULL: to all others */
    const char *text;    /* without a period at its end */
};

/* Returns the whole table. Those of one status are neighbours; the one without a symptom is last.
 */
const struct remedy *remedy_table(size_t *ret_n);

/*
 * Returns the text for an error. @detail: may be NULL.
 */
const char *remedy_find(enum podlogin_status status, const char *detail);

#endif
