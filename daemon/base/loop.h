/*
 * The event loop: epoll, and one timerfd for all timers. Single-threaded.
 *
 * Not sd_event, which dispatches one source per epoll_wait() and prepares all sources again each
 * time, which leaves a quarter of the request rate at 64 busy connections. docs/decisions/0007 says
 * why its timers are not used either.
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

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
    uint64_t woken_at_usec;     /* when timer_source expires; 0: not set */
    struct loop_source **ready; /* the sources of this round; NULL: removed since */
    int n_ready;
    bool is_done;
    int result; /* of loop_run() */
};

/* Returns 0 or -errno. On failure, the caller still calls loop_done(). */
int loop_init(struct loop *loop);

/* Closes the loop's descriptors. Sources and timers belong to their owners. */
void loop_done(struct loop *loop);

/*
 * Watch @source->fd for @events, or change the events that it is watched for. The source must stay
 * at its address until it is removed. Return 0 or -errno.
 */
int loop_add(struct loop *loop, struct loop_source *source, uint32_t events);
int loop_change(struct loop *loop, struct loop_source *source, uint32_t events);

/* Stops watching @source. Its callback is not called any more, even if it was already ready. */
void loop_remove(struct loop *loop, struct loop_source *source);

/*
 * Stops watching @source and closes its descriptor, of which no other process has a copy: then the
 * kernel needs no further call.
 */
void loop_close(struct loop *loop, struct loop_source *source);

/* Runs until loop_stop() is called, and can run again then. Returns 0 or -errno. */
int loop_run(struct loop *loop);

/* Ends loop_run() after the present round. */
void loop_stop(struct loop *loop);

/* The same, but loop_run() returns @r, a -errno. */
void loop_fail(struct loop *loop, int r);

/* Sets @timer to expire @delay_usec from now. */
static inline void loop_timer(struct loop *loop, struct timer *timer, uint64_t delay_usec,
                              void (*on_timer)(struct timer *timer))
{
    timer_set(&loop->timers, timer, clock_boot_usec() + delay_usec, on_timer);
}

#endif
