/*
 * The event loop: epoll, and one timerfd for all timers.
 *
 * Not sd_event, which dispatches one source per epoll_wait() and prepares all of them anew: at 64
 * busy connections that is a quarter of the rate (docs/decisions/0007).
 */
#ifndef LOOP_H
#define LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/timer.h"

struct loop_source {
    int fd;
    void (*on_ready)(struct loop_source *source, uint32_t events); /* EPOLLIN, EPOLLOUT, ... */
};

struct loop {
    int epoll_fd;
    struct timers timers;
    struct loop_source timer_source;
    uint64_t woken_at_usec;     /* when timer_source is due; 0: never */
    struct loop_source **ready; /* those of the present round that are still to be called */
    int n_ready;
    bool is_done;
};

int loop_init(struct loop *loop);
void loop_done(struct loop *loop);

/* Watches @source->fd for @events. 0 or -errno. */
int loop_add(struct loop *loop, struct loop_source *source, uint32_t events);
int loop_change(struct loop *loop, struct loop_source *source, uint32_t events);

/* Afterwards @source is not called any more, not even if it was ready. */
void loop_remove(struct loop *loop, struct loop_source *source);

/* Until loop_stop(). 0 or -errno. */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* timer_set(), from now on. */
static inline void loop_timer(struct loop *loop, struct timer *timer, uint64_t delay_usec,
                              void (*on_timer)(struct timer *timer))
{
    timer_set(&loop->timers, timer, clock_boot_usec() + delay_usec, on_timer);
}

#endif
