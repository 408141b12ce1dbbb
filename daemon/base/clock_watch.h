/*
 * Detects steps of the wall clock. A timerfd with TFD_TIMER_CANCEL_ON_SET is cancelled by a step;
 * for kernels and containers where that does not happen, the clocks are also compared once a
 * minute.
 */
#ifndef BASE_CLOCK_WATCH_H
#define BASE_CLOCK_WATCH_H

#include "base/loop.h"

struct clock_watch {
    struct loop *loop;
    struct loop_source source;
    struct timer timer;
    int64_t offset_usec; /* wall clock minus boot clock */
    void (*on_set)(struct clock_watch *watch, int64_t by_usec);
};

/*
 * Starts the watch in @loop. On failure, the caller still calls clock_watch_done().
 *
 * @on_set: called in the loop after a step of one second or more; @by_usec is positive if the clock
 *          was set forward.
 *
 * Returns 0 or -errno.
 */
int clock_watch_init(struct clock_watch *watch, struct loop *loop,
                     void (*on_set)(struct clock_watch *watch, int64_t by_usec));

/* Stops the watch and releases its descriptor. Does nothing if @watch is zeroed. */
void clock_watch_done(struct clock_watch *watch);

#endif
