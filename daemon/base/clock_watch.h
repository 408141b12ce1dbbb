/*
 * Notices that the wall clock was set: by a timerfd that is cancelled then
 * (TFD_TIMER_CANCEL_ON_SET), and once a minute by comparing the clocks, where nothing cancels it.
 */
#ifndef CLOCK_WATCH_H
#define CLOCK_WATCH_H

#include "base/loop.h"

struct clock_watch {
    struct loop *loop;
    struct loop_source source;
    struct timer timer;
    int64_t offset_usec; /* of the wall clock from the boot clock */
    void (*on_set)(struct clock_watch *watch, int64_t by_usec);
};

/* @on_set is called for steps of a second and more. 0 or -errno. */
int clock_watch_init(struct clock_watch *watch, struct loop *loop,
                     void (*on_set)(struct clock_watch *watch, int64_t by_usec));
void clock_watch_done(struct clock_watch *watch);

#endif
