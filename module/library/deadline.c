#include "library/deadline.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

int64_t clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t deadline_left_ms(const struct deadline *deadline)
{
    int64_t left_ms = deadline->at_ms - clock_ms();

    return left_ms > 0 ? left_ms : 0;
}

/* Returns 1 if @fd is ready, 0 after @ms or a signal, or -errno. poll() ignores a negative @fd. */
static int wait_for(const struct deadline *deadline, int fd, short events, int64_t ms)
{
    struct pollfd fds[] = {{.fd = fd, .events = events},
                           {.fd = deadline->cancel_fd, .events = POLLIN}};

    if (poll(fds, 2, (int)ms) < 0)
        return errno == EINTR ? 0 : -errno;
    if (fds[1].revents)
        return -ECANCELED;
    return fds[0].revents != 0;
}

int deadline_wait(const struct deadline *deadline, int fd, short events)
{
    int64_t left_ms = deadline_left_ms(deadline);
    int r = wait_for(deadline, fd, events, left_ms);

    if (r != 0)
        return r < 0 ? r : 0;
    return deadline_left_ms(deadline) > 0 ? 0 : -ETIME;
}

int deadline_sleep(const struct deadline *deadline, int64_t ms)
{
    int64_t now_ms = clock_ms(), end_ms = now_ms + ms;
    int r = 0;

    if (end_ms > deadline->at_ms)
        end_ms = deadline->at_ms;
    for (; r == 0 && now_ms < end_ms; now_ms = clock_ms())
        r = wait_for(deadline, -1, 0, end_ms - now_ms);
    return r;
}
