/*
 * One-shot timers, embedded in their owners and ordered in a pairing heap. Setting a timer
 * allocates nothing and therefore cannot fail: a refresh or a deadline could not handle a failure.
 *
 * Fredman, Sedgewick, Sleator, Tarjan: "The pairing heap: a new form of self-adjusting heap", 1986.
 */
#ifndef BASE_TIMER_H
#define BASE_TIMER_H

#include <stdbool.h>
#include <stdint.h>

/* Initially zeroed. */
struct timer {
    struct timer *child;
    struct timer *next;    /* sibling */
    struct timer *prev;    /* sibling; of a first child: its parent; NULL: the root, or not set */
    struct timers *timers; /* the heap that it is in; NULL: not set */
    uint64_t at_usec;      /* CLOCK_BOOTTIME */
    void (*on_timer)(struct timer *timer);
};

struct timers {
    struct timer *first; /* the root: the timer that expires first */
};

/*
 * Sets @timer to expire at @at_usec (CLOCK_BOOTTIME). If it is set, changes it. When it expires it
 * is unset, then @on_timer is called, which may set it again or free it.
 */
void timer_set(struct timers *timers, struct timer *timer, uint64_t at_usec,
               void (*on_timer)(struct timer *timer));

/* Does nothing if @timer is not set. */
void timer_unset(struct timer *timer);

static inline bool timer_is_set(const struct timer *timer)
{
    return timer->timers;
}

/* Runs the earliest timer if it is due at @now_usec. Returns false if none is due. */
bool timers_run_one(struct timers *timers, uint64_t now_usec);

/*
 * Runs all timers that are due at @now_usec, the earliest first, including those set by callbacks.
 */
void timers_run(struct timers *timers, uint64_t now_usec);

#endif
