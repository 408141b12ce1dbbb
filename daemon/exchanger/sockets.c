#include "exchanger/sockets.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"

#define GUEST SOCKETS_HANDLES /* the number that the guest has instead of a handle's */

/* The kernel stores the number of the handle together with the descriptor. */
static int watch(const struct sockets *sockets, int operation, size_t owner, int fd,
                 uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u64 = (uint64_t)owner << 32 | (uint32_t)fd};

    return epoll_ctl(sockets->epoll_fd, operation, fd, &event) < 0 ? -errno : 0;
}

/*
 * @known: set for a socket that is watched. It may have been closed since, and its number be that
 * of a new one: the kernel has forgotten it then.
 */
static int on_change(CURL *easy, curl_socket_t fd, int what, void *data, void *known)
{
    struct sockets_handle *handle = data;
    const struct sockets *sockets = handle->sockets;
    size_t owner = (size_t)(handle - sockets->handles);
    uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    int r;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        (void)watch(sockets, EPOLL_CTL_DEL, owner, fd, 0);
        return 0;
    }
    r = watch(sockets, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, owner, fd, events);
    if (r == -ENOENT || r == -EEXIST)
        r = watch(sockets, known ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, owner, fd, events);
    if (!known)
        curl_multi_assign(handle->multi, fd, handle);
    return r < 0 ? -1 : 0;
}

static int on_timer(CURLM *multi, long ms, void *data)
{
    struct sockets_handle *handle = data;

    (void)multi;
    handle->due_usec = ms < 0 ? 0 : clock_boot_usec() + (uint64_t)ms * 1000;
    return 0;
}

static int handle_init(struct sockets *sockets, struct sockets_handle *handle)
{
    handle->sockets = sockets;
    handle->multi = curl_multi_init();
    if (!handle->multi)
        return -ENOMEM;
    curl_multi_setopt(handle->multi, CURLMOPT_SOCKETFUNCTION, on_change);
    curl_multi_setopt(handle->multi, CURLMOPT_SOCKETDATA, handle);
    curl_multi_setopt(handle->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(handle->multi, CURLMOPT_TIMERDATA, handle);
    return 0;
}

int sockets_init(struct sockets *sockets)
{
    int r = 0;

    *sockets = (struct sockets){.guest_fd = -1, .epoll_fd = epoll_create1(EPOLL_CLOEXEC)};
    if (sockets->epoll_fd < 0)
        return -errno;
    for (size_t i = 0; i < SOCKETS_HANDLES && r == 0; i++)
        r = handle_init(sockets, &sockets->handles[i]);
    return r;
}

void sockets_done(struct sockets *sockets)
{
    for (size_t i = 0; i < SOCKETS_HANDLES; i++)
        curl_multi_cleanup(sockets->handles[i].multi);
    if (sockets->epoll_fd >= 0)
        close(sockets->epoll_fd);
    *sockets = (struct sockets){.guest_fd = -1, .epoll_fd = -1};
}

static int watch_guest(struct sockets *sockets, int fd)
{
    int r = 0;

    if (fd == sockets->guest_fd)
        return 0;
    if (sockets->guest_fd >= 0)
        (void)watch(sockets, EPOLL_CTL_DEL, GUEST, sockets->guest_fd, 0);
    sockets->guest_fd = -1;
    if (fd >= 0)
        r = watch(sockets, EPOLL_CTL_ADD, GUEST, fd, EPOLLIN);
    if (r == 0)
        sockets->guest_fd = fd;
    return r;
}

static int time_left_ms(const struct sockets *sockets, int timeout_ms)
{
    uint64_t now_usec = clock_boot_usec(), end_usec = now_usec + (uint64_t)timeout_ms * 1000;

    for (size_t i = 0; i < SOCKETS_HANDLES; i++) {
        uint64_t due_usec = sockets->handles[i].due_usec;

        if (due_usec && due_usec < end_usec)
            end_usec = due_usec;
    }
    return end_usec > now_usec ? (int)((end_usec - now_usec + 999) / 1000) : 0;
}

/* A socket with an error is ready to be read: reading tells libcurl which one it is. */
static int actions_of(uint32_t events)
{
    return (events & ~(uint32_t)EPOLLOUT ? CURL_CSELECT_IN : 0) |
           (events & EPOLLOUT ? CURL_CSELECT_OUT : 0);
}

int sockets_wait(struct sockets *sockets, int guest_fd, int timeout_ms)
{
    struct epoll_event events[SOCKETS_READY_MAX];
    bool is_guest_ready = false;
    int n, r = watch_guest(sockets, guest_fd);

    if (r < 0)
        return r;
    n = epoll_wait(sockets->epoll_fd, events, SOCKETS_READY_MAX, time_left_ms(sockets, timeout_ms));
    if (n < 0)
        return errno == EINTR ? 0 : -errno;
    sockets->n_ready = 0;
    for (int i = 0; i < n; i++) {
        size_t owner = (size_t)(events[i].data.u64 >> 32);

        if (owner == GUEST) {
            is_guest_ready = true;
            continue;
        }
        sockets->ready[sockets->n_ready].multi = sockets->handles[owner].multi;
        sockets->ready[sockets->n_ready].fd = (int)(uint32_t)events[i].data.u64;
        sockets->ready[sockets->n_ready++].actions = actions_of(events[i].events);
    }
    return is_guest_ready;
}

/* New transfers are due at once, and join a connection before it ends with an answer. */
void sockets_turn(struct sockets *sockets)
{
    uint64_t now_usec = clock_boot_usec();
    int n_running;

    for (size_t i = 0; i < SOCKETS_HANDLES; i++) {
        struct sockets_handle *handle = &sockets->handles[i];

        if (!handle->due_usec || handle->due_usec > now_usec)
            continue;
        handle->due_usec = 0; /* libcurl does not set the time again if it stays the same */
        curl_multi_socket_action(handle->multi, CURL_SOCKET_TIMEOUT, 0, &n_running);
    }
    for (int i = 0; i < sockets->n_ready; i++)
        curl_multi_socket_action(sockets->ready[i].multi, sockets->ready[i].fd,
                                 sockets->ready[i].actions, &n_running);
    sockets->n_ready = 0;
}
