/*
 * Faults: what a listener does instead of answering correctly, and the latency of its answers.
 *
 * A struct fault is shared and guarded by the lock. A struct fault_plan is the copy of one request.
 */
#ifndef STANDIN_FAULT_H
#define STANDIN_FAULT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "standin/reply.h"

enum fault_kind {
    FAULT_NONE,
    FAULT_STATUS,
    FAULT_RESET,
    FAULT_HANG,
    FAULT_GARBAGE,
    FAULT_HUGE,
    FAULT_SLOW_BODY,
    FAULT_EMPTY,
    FAULT_HTML,
    FAULT_ERROR, /* one of the upstream's own errors */
    FAULT_KINDS,
};

struct fault {
    enum fault_kind kind;
    unsigned status;   /* 0: the default of the kind */
    char *retry_after; /* or NULL */
    char *body;        /* or NULL: the default of the kind */
    char *error;       /* the name of the error of FAULT_ERROR */
    uint32_t latency_ms;
    uint32_t latency_jitter_ms;
    unsigned times;      /* remaining requests to fail; 0: all, until the fault changes */
    unsigned generation; /* increases with each fault_set() */
};

struct fault_plan {
    enum fault_kind kind;
    unsigned status;
    char *retry_after;
    char *body;
    char *error;
    uint32_t delay_ms;
    unsigned generation;
};

/*
 * Replaces @fault by the one that @json describes.
 *
 * Returns NULL, or an error message that the caller frees; @fault is unchanged then.
 */
char *fault_set(struct fault *fault, json_t *json);

/* Makes the plan of the next request, and decrements the remaining times. */
void fault_draw(struct fault *fault, struct fault_plan *ret_plan);

/* Makes the answer of a plan whose kind is neither none, hang nor error. */
void fault_reply(const struct fault_plan *plan, struct reply *reply);

void fault_done(struct fault *fault);
void fault_plan_done(struct fault_plan *plan);

#endif
