#include "loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "list.h"

#define EVENTS_PER_ROUND    128
#define TIMER_ACCURACY_USEC 1000

/* As long as there is something, without waiting; the last, idle turn arms the timers. */
static int event_turn(struct loop *loop)
{
    int r;

    loop->is_event_touched = false;
    do {
        r = sd_event_run(loop->event, 0);
    } while (r > 0);
    return r;
}

static void on_event_ready(struct loop_source *source, uint32_t events)
{
    (void)events;
    container_of(source, struct loop, event_source)->is_event_touched = true;
}

int loop_init(struct loop *loop)
{
    int r;

    *loop = (struct loop){.epoll_fd = epoll_create1(EPOLL_CLOEXEC)};
    if (loop->epoll_fd < 0)
        return -errno;
    r = sd_event_new(&loop->event);
    if (r < 0)
        return r;
    loop->event_source = (struct loop_source){
        .fd = sd_event_get_fd(loop->event),
        .on_ready = on_event_ready,
    };
    return loop_add(loop, &loop->event_source, EPOLLIN);
}

void loop_done(struct loop *loop)
{
    loop->event = sd_event_unref(loop->event);
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    loop->epoll_fd = -1;
}

static int loop_control(struct loop *loop, int operation, struct loop_source *source,
                        uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = source};

    return epoll_ctl(loop->epoll_fd, operation, source->fd, &event) < 0 ? -errno : 0;
}

int loop_add(struct loop *loop, struct loop_source *source, uint32_t events)
{
    return loop_control(loop, EPOLL_CTL_ADD, source, events);
}

int loop_change(struct loop *loop, struct loop_source *source, uint32_t events)
{
    return loop_control(loop, EPOLL_CTL_MOD, source, events);
}

void loop_remove(struct loop *loop, struct loop_source *source)
{
    loop_control(loop, EPOLL_CTL_DEL, source, 0);
    for (int i = 0; i < loop->n_ready; i++)
        if (loop->ready[i] == source)
            loop->ready[i] = NULL;
}

static int loop_round(struct loop *loop)
{
    struct epoll_event events[EVENTS_PER_ROUND];
    struct loop_source *ready[EVENTS_PER_ROUND];
    int n = epoll_wait(loop->epoll_fd, events, EVENTS_PER_ROUND, -1);

    if (n < 0)
        return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < n; i++)
        ready[i] = events[i].data.ptr;
    loop->ready = ready;
    loop->n_ready = n;
    for (int i = 0; i < n; i++)
        if (ready[i])
            ready[i]->on_ready(ready[i], events[i].events);
    loop->n_ready = 0;
    return 0;
}

int loop_run(struct loop *loop)
{
    int r = event_turn(loop);

    while (r >= 0 && !loop->is_done) {
        r = loop_round(loop);
        if (r >= 0 && loop->is_event_touched)
            r = event_turn(loop);
    }
    return r;
}

void loop_stop(struct loop *loop)
{
    loop->is_done = true;
}

/* The event's own clock stands still while only client sockets are served. */
uint64_t loop_now_usec(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

int loop_timer(struct loop *loop, uint64_t delay_usec, sd_event_time_handler_t on_timer, void *data,
               sd_event_source **ret_timer)
{
    loop->is_event_touched = true;
    return sd_event_add_time(loop->event, ret_timer, CLOCK_BOOTTIME, loop_now_usec() + delay_usec,
                             TIMER_ACCURACY_USEC, on_timer, data);
}
