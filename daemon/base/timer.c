#include "base/timer.h"

#include <assert.h>
#include <stddef.h>

/* Merges two heaps, each NULL or a root. The later root becomes the first child of the earlier. */
static struct timer *meld(struct timer *a, struct timer *b)
{
    if (!a || !b)
        return a ? a : b;
    if (b->at_usec < a->at_usec) {
        struct timer *swapped = a;

        a = b;
        b = swapped;
    }
    b->prev = a;
    b->next = a->child;
    if (b->next)
        b->next->prev = b;
    a->child = b;
    return a;
}

/* Removes the first two siblings of *list and melds them. */
static struct timer *meld_pair(struct timer **list)
{
    struct timer *a = *list, *b = a->next;

    *list = b ? b->next : NULL;
    a->next = a->prev = NULL;
    if (b)
        b->next = b->prev = NULL;
    return meld(a, b);
}

/*
 * Melds siblings into one heap, in two passes: pairs from left to right, then all from right to
 * left.
 */
static struct timer *meld_children(struct timer *children)
{
    struct timer *pairs = NULL, *heap = NULL;

    while (children) {
        struct timer *pair = meld_pair(&children);

        pair->next = pairs;
        pairs = pair;
    }
    while (pairs) {
        struct timer *next = pairs->next;

        pairs->next = NULL;
        heap = meld(heap, pairs);
        pairs = next;
    }
    return heap;
}

/* Removes a timer that is not the root from its siblings. It keeps its children. */
static void cut(struct timer *timer)
{
    assert(timer->prev);
    if (timer->prev->child == timer)
        timer->prev->child = timer->next;
    else
        timer->prev->next = timer->next;
    if (timer->next)
        timer->next->prev = timer->prev;
    timer->next = timer->prev = NULL;
}

void timer_unset(struct timer *timer)
{
    struct timers *timers = timer->timers;
    struct timer *children = timer->child;

    if (!timers)
        return;
    timer->timers = NULL;
    timer->child = NULL;
    if (timers->first == timer) {
        timers->first = meld_children(children);
        return;
    }
    cut(timer);
    timers->first = meld(timers->first, meld_children(children));
}

void timer_set(struct timers *timers, struct timer *timer, uint64_t at_usec,
               void (*on_timer)(struct timer *timer))
{
    timer_unset(timer);
    *timer = (struct timer){.timers = timers, .at_usec = at_usec, .on_timer = on_timer};
    timers->first = meld(timers->first, timer);
}

bool timers_run_one(struct timers *timers, uint64_t now_usec)
{
    struct timer *timer = timers->first;

    if (!timer || timer->at_usec > now_usec)
        return false;
    timer_unset(timer);
    timer->on_timer(timer);
    return true;
}

void timers_run(struct timers *timers, uint64_t now_usec)
{
    while (timers_run_one(timers, now_usec))
        ;
}
