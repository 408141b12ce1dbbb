/*
 * Faults on order: what a listener does instead of answering properly, and how late it does it.
 *
 * A struct fault is shared and guarded by the lock; a plan is one request's own copy of it.
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
    FAULT_KINDS,
};

struct fault {
    enum fault_kind kind;
    unsigned status;   /* 0: what suits the kind */
    char *retry_after; /* or NULL */
    char *body;        /* or NULL: what suits the kind */
    uint32_t latency_ms;
    uint32_t latency_jitter_ms;
    unsigned times;      /* requests still to be faulted; 0: all, until the fault is changed */
    unsigned generation; /* changes whenever the fault does */
};

struct fault_plan {
    enum fault_kind kind;
    unsigned status;
    char *retry_after;
    char *body;
    uint32_t delay_ms;
    unsigned generation;
};

/*
 * Replaces @fault by what @order says.
 *
 * Returns NULL, or what is wrong with @order, which the caller frees; @fault is then as before.
 */
char *fault_set(struct fault *fault, json_t *order);

/* Draws the plan for the next request, and counts it when it is faulted. */
void fault_take(struct fault *fault, struct fault_plan *ret_plan);

/* The answer of a plan whose kind is neither none nor hang. */
void fault_reply(const struct fault_plan *plan, struct reply *reply);

void fault_done(struct fault *fault);
void fault_plan_done(struct fault_plan *plan);

#endif
