/*
 * The latest refusals, for the administrator: one for each status, service and account, so that a
 * pod that asks again and again does not push the others out. Only for the thread of the loop.
 */
#ifndef OBSERVE_REFUSALS_H
#define OBSERVE_REFUSALS_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/podlogin-status.h"

#define REFUSALS_MAX 16

struct past_refusal {
    int64_t at_s; /* when it last happened, in Unix time */
    uint64_t n;   /* how many times since the first */
    enum podlogin_status status;
    char service[65];  /* "": none, or one that is not configured */
    char account[320]; /* "NAMESPACE/NAME"; "": the token was not verified */
    char detail[257];
};

struct identity;

/* Notes a refusal. @service and @identity may be NULL. */
void refusals_note(enum podlogin_status status, const char *service,
                   const struct identity *identity, const char *detail);

/* Returns the @i-th latest of them, valid until control returns to the loop; NULL: no more. */
const struct past_refusal *refusals_get(size_t i);

#endif
