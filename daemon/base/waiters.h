/*
 * Those who wait for one event: an issuer's keys, a review, an exchange. Each waiter lives inside
 * its owner, waits for one event at a time, and is called once.
 */
#ifndef WAITERS_H
#define WAITERS_H

#include "base/list.h"

/* waiter_init() makes it wait for nothing. */
struct waiter {
    struct list node;
    void (*on_wake)(struct waiter *waiter, const void *news);
};

static inline void waiter_init(struct waiter *waiter,
                               void (*on_wake)(struct waiter *waiter, const void *news))
{
    list_init(&waiter->node);
    waiter->on_wake = on_wake;
}

static inline bool waiter_is_waiting(const struct waiter *waiter)
{
    return !list_is_empty(&waiter->node);
}

static inline void waiter_wait(struct waiter *waiter, struct list *waiters)
{
    list_append(waiters, &waiter->node);
}

/* Harmless if it waits for nothing. */
static inline void waiter_leave(struct waiter *waiter)
{
    list_remove(&waiter->node);
}

/*
 * Calls those who wait now, in the order in which they came; @news is for them to understand. A
 * callback may free its waiter, make others leave, or wait again: then it waits for the next time.
 */
static inline void waiters_wake(struct list *waiters, const void *news)
{
    struct list woken, *node;

    list_init(&woken);
    list_move(&woken, waiters);
    while ((node = list_take(&woken))) {
        struct waiter *waiter = container_of(node, struct waiter, node);

        waiter->on_wake(waiter, news);
    }
}

#endif
