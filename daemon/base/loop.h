/*
 * The event loop: an epoll of our own for the client sockets, with an sd_event for timers, signals
 * and the exchanger as one member of it.
 *
 * sd_event alone dispatches one source per epoll_wait() and prepares all of them anew: at 64 busy
 * connections that is a quarter of the rate (docs/performance.md).
 */
#ifndef LOOP_H
#define LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

struct loop_source {
    int fd;
    void (*on_ready)(struct loop_source *source, uint32_t events); /* EPOLLIN, EPOLLOUT, ... */
};

struct loop {
    int epoll_fd;
    sd_event *event;
    struct loop_source event_source;
    struct loop_source **ready; /* those of the present round that are still to be called */
    int n_ready;
    bool is_event_touched; /* it has to take its turn before the loop sleeps */
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

/* Microseconds of CLOCK_BOOTTIME, now. */
uint64_t loop_now_usec(void);

/* A one-shot timer; @ret_timer may be NULL. Frees with sd_event_source_disable_unref(). */
int loop_timer(struct loop *loop, uint64_t delay_usec, sd_event_time_handler_t on_timer, void *data,
               sd_event_source **ret_timer);

#endif
