#include "base/watchdog.h"

#include <systemd/sd-daemon.h>

#include "base/list.h"

static void on_timer(struct timer *timer)
{
    struct watchdog *watchdog = container_of(timer, struct watchdog, timer);

    sd_notify(0, "WATCHDOG=1");
    loop_timer(watchdog->loop, timer, watchdog->interval_usec, on_timer);
}

void watchdog_init(struct watchdog *watchdog, struct loop *loop)
{
    uint64_t usec = 0;

    *watchdog = (struct watchdog){.loop = loop};
    if (sd_watchdog_enabled(0, &usec) <= 0)
        return;
    watchdog->interval_usec = usec / 2; /* as sd_watchdog_enabled(3) recommends */
    on_timer(&watchdog->timer);
}

void watchdog_done(struct watchdog *watchdog)
{
    timer_unset(&watchdog->timer);
}
