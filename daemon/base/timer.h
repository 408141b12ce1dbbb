/*
 * One-shot timers that live inside their owners, in a pairing heap: setting one needs no memory and
 * so cannot fail, which a refresh or a deadline could not cope with.
 *
 * Fredman, Sedgewick, Sleator, Tarjan: "The pairing heap: a new form of self-adjusting heap", 1986.
 */
#ifndef TIMER_H
#define TIMER_H

#include <stdbool.h>
#include <stdint.h>

/* Zeroed at first. */
struct timer {
    struct timer *child;
    struct timer *next; /* sibling */
    struct timer *prev; /* sibling, or the parent of a first child; NULL: the root, or not set */
    struct timers *timers;
    uint64_t at_usec; /* CLOCK_BOOTTIME */
    void (*on_timer)(struct timer *timer);
};

struct timers {
    struct timer *first; /* the one that is due first */
};

/* Sets @timer, anew if it is set. It may set itself again, or be freed, in @on_timer. */
void timer_set(struct timers *timers, struct timer *timer, uint64_t at_usec,
               void (*on_timer)(struct timer *timer));

/* Harmless if it is not set. */
void timer_unset(struct timer *timer);

static inline bool timer_is_set(const struct timer *timer)
{
    return timer->timers;
}

/* Calls the earliest, if it is due at @now_usec. False: none is. */
bool timers_run_one(struct timers *timers, uint64_t now_usec);

/* Calls those that are due at @now_usec, the earliest first, also ones that are set meanwhile. */
void timers_run(struct timers *timers, uint64_t now_usec);

#endif
