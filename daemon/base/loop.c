#include "base/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/list.h"

#define EVENTS_PER_ROUND 128
#define TIMERS_PER_ROUND 16 /* thousands may be due at once, for example of throttled requests */

/* Only wakes the loop: timers run after each round. */
static void on_timer_ready(struct loop_source *source, uint32_t events)
{
    struct loop *loop = container_of(source, struct loop, timer_source);
    uint64_t n;

    (void)events;
    if (read(source->fd, &n, sizeof(n)) == sizeof(n))
        loop->woken_at_usec = 0;
}

int loop_init(struct loop *loop)
{
    *loop = (struct loop){
        .epoll_fd = epoll_create1(EPOLL_CLOEXEC),
        .timer_source = {.fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK),
                         .on_ready = on_timer_ready},
    };
    if (loop->epoll_fd < 0 || loop->timer_source.fd < 0)
        return -errno;
    return loop_add(loop, &loop->timer_source, EPOLLIN);
}

void loop_done(struct loop *loop)
{
    if (loop->timer_source.fd >= 0)
        close(loop->timer_source.fd);
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    loop->timer_source.fd = loop->epoll_fd = -1;
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

/* Drops the events that this round has not delivered yet. */
static void forget(struct loop *loop, const struct loop_source *source)
{
    for (int i = 0; i < loop->n_ready; i++)
        if (loop->ready[i] == source)
            loop->ready[i] = NULL;
}

void loop_remove(struct loop *loop, struct loop_source *source)
{
    loop_control(loop, EPOLL_CTL_DEL, source, 0);
    forget(loop, source);
}

void loop_close(struct loop *loop, struct loop_source *source)
{
    forget(loop, source);
    close(source->fd);
}

static int loop_round(struct loop *loop)
{
    /* epoll_wait() fills what is used of them */
    __attribute__((uninitialized)) struct epoll_event events[EVENTS_PER_ROUND];
    __attribute__((uninitialized)) struct loop_source *ready[EVENTS_PER_ROUND];
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

/*
 * Sets the timerfd to the earliest timer, unless it expires before: an early wake-up now and then
 * costs less than a call for each timer that is put off, as those of connections are.
 */
static int arm(struct loop *loop)
{
    uint64_t at_usec = loop->timers.first ? loop->timers.first->at_usec : 0;
    const struct itimerspec spec = {
        .it_value.tv_sec = (time_t)(at_usec / SECOND_USEC),
        .it_value.tv_nsec = (long)(at_usec % SECOND_USEC) * 1000,
    };

    if (!at_usec || (loop->woken_at_usec && loop->woken_at_usec <= at_usec))
        return 0;
    if (timerfd_settime(loop->timer_source.fd, TFD_TIMER_ABSTIME, &spec, NULL) < 0)
        return -errno;
    loop->woken_at_usec = at_usec;
    return 0;
}

/* Runs a limited number of due timers. If more are due, the loop wakes up again at once. */
static void run_timers(struct loop *loop)
{
    uint64_t now_usec = loop->timers.first ? clock_boot_usec() : 0;

    for (int i = 0; i < TIMERS_PER_ROUND && timers_run_one(&loop->timers, now_usec); i++)
        ;
    /*
     * A timer that is left over may be due at the same time as the first one that ran. The timerfd
     * has expired for that time, so arm() must set it again.
     */
    if (loop->timers.first && loop->timers.first->at_usec <= now_usec)
        loop->woken_at_usec = 0;
}

int loop_run(struct loop *loop)
{
    int r = 0;

    while (r == 0 && !loop->is_done) {
        r = arm(loop);
        if (r == 0)
            r = loop_round(loop);
        if (r == 0)
            run_timers(loop);
    }
    loop->is_done = false;
    return r < 0 ? r : loop->result;
}

void loop_stop(struct loop *loop)
{
    loop->is_done = true;
}

void loop_fail(struct loop *loop, int r)
{
    loop->result = r;
    loop_stop(loop);
}
