#include "base/clock_watch.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/counters.h"
#include "base/list.h"

#define CHECK_USEC    (60 * SECOND_USEC)
#define STEP_MIN_USEC ((int64_t)SECOND_USEC)
#define CENTURY_S     (100 * 365 * 86400LL)

static int64_t offset_usec(void)
{
    return clock_wall_usec() - (int64_t)clock_boot_usec();
}

/* Compares with the previous check only, so that slow slewing (adjtime(3)) does not add up. */
static void check(struct clock_watch *watch)
{
    int64_t offset = offset_usec(), by_usec = offset - watch->offset_usec;

    watch->offset_usec = offset;
    if (by_usec > -STEP_MIN_USEC && by_usec < STEP_MIN_USEC)
        return;
    counter_add(COUNTER_CLOCK_STEPS);
    watch->on_set(watch, by_usec);
}

static void on_check(struct timer *timer)
{
    struct clock_watch *watch = container_of(timer, struct clock_watch, timer);

    check(watch);
    loop_timer(watch->loop, timer, CHECK_USEC, on_check);
}

static int arm(struct clock_watch *watch)
{
    const struct itimerspec far = {.it_value.tv_sec = time(NULL) + CENTURY_S};

    return timerfd_settime(watch->source.fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &far,
                           NULL) < 0
               ? -errno
               : 0;
}

static void on_cancelled(struct loop_source *source, uint32_t events)
{
    struct clock_watch *watch = container_of(source, struct clock_watch, source);
    uint64_t n;

    (void)events;
    if (read(source->fd, &n, sizeof(n)) >= 0 || errno != ECANCELED)
        return;
    arm(watch);
    check(watch);
}

int clock_watch_init(struct clock_watch *watch, struct loop *loop,
                     void (*on_set)(struct clock_watch *watch, int64_t by_usec))
{
    int r;

    *watch = (struct clock_watch){
        .loop = loop,
        .source = {.fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK),
                   .on_ready = on_cancelled},
        .offset_usec = offset_usec(),
        .on_set = on_set,
    };
    if (watch->source.fd < 0)
        return -errno;
    r = arm(watch);
    if (r == 0)
        r = loop_add(loop, &watch->source, EPOLLIN);
    if (r == 0)
        loop_timer(loop, &watch->timer, CHECK_USEC, on_check);
    return r;
}

void clock_watch_done(struct clock_watch *watch)
{
    timer_unset(&watch->timer);
    if (watch->loop && watch->source.fd >= 0)
        close(watch->source.fd);
    *watch = (struct clock_watch){0};
}
