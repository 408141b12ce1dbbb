/*
 * Tells the service manager that the loop turns (sd_watchdog_enabled(3)). The timer runs in the
 * loop itself, so a loop that hangs in a callback is noticed, and the service manager restarts the
 * process.
 */
#ifndef BASE_WATCHDOG_H
#define BASE_WATCHDOG_H

#include "base/loop.h"

struct watchdog {
    struct loop *loop;
    struct timer timer;
    uint64_t interval_usec; /* 0: the service manager does not watch this process */
};

/* Begins, if the service manager asks for it ($WATCHDOG_USEC). */
void watchdog_init(struct watchdog *watchdog, struct loop *loop);

/* Ends. Does nothing if @watchdog is zeroed. */
void watchdog_done(struct watchdog *watchdog);

#endif
