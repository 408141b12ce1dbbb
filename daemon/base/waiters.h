/*
 * Callbacks that wait for one event, such as an issuer's keys, a review or an exchange. A waiter is
 * embedded in its owner, waits for one event at a time, and is called once for each wait.
 */
#ifndef BASE_WAITERS_H
#define BASE_WAITERS_H

#include "base/list.h"

struct waiter {
    struct list node;
    void (*on_wake)(struct waiter *waiter, const void *news);
};

/* Initializes @waiter, which then waits for nothing. */
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

/* Adds @waiter, which must not be waiting, to the end of @waiters. */
static inline void waiter_wait(struct waiter *waiter, struct list *waiters)
{
    assert(!waiter_is_waiting(waiter));
    list_append(waiters, &waiter->node);
}

/* Does nothing if @waiter is not waiting. */
static inline void waiter_leave(struct waiter *waiter)
{
    list_remove(&waiter->node);
}

/*
 * Wakes all present waiters, in the order in which they began to wait. A callback may free its
 * waiter, make other waiters leave, or wait again, which then means for the next event.
 *
 * @news: passed to each callback; its type is agreed between the caller and its waiters.
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
