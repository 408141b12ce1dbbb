/* Accepting connections, and what happens when descriptors run out. */
#include "session/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/list.h"
#include "base/log.h"

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

#define ACCEPTS_PER_ROUND 4 /* existing connections are served in between */
#define RESUME_USEC       (SECOND_USEC / 10)
#define WATCH_USEC        SECOND_USEC /* how long nobody can connect after a removal */

void listener_pause(struct listener *listener)
{
    if (listener->is_paused)
        return;
    listener->is_paused = true;
    loop_change(listener->loop, &listener->source, 0);
}

void listener_resume(struct listener *listener)
{
    if (!listener->is_paused)
        return;
    listener->is_paused = false;
    timer_unset(&listener->resume);
    loop_change(listener->loop, &listener->source, EPOLLIN);
}

static void on_resume(struct timer *timer)
{
    listener_resume(container_of(timer, struct listener, resume));
}

static int open_reserve(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/*
 * The process or the system is out of descriptors. Frees the reserve descriptor to accept the next
 * connection and refuse it, so that its client knows; existing connections go on. If that fails as
 * well, pauses accepting.
 */
static void turn_one_away(struct listener *listener)
{
    int fd = -1;

    if (listener->reserve_fd >= 0) {
        close(listener->reserve_fd);
        fd = accept4(listener->source.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
            listener->events->on_shortage(listener, fd);
    }
    listener->reserve_fd = open_reserve();
    if (fd >= 0)
        return;
    listener_pause(listener);
    loop_timer(listener->loop, &listener->resume, RESUME_USEC, on_resume);
}

static void on_listener(struct loop_source *source, uint32_t events)
{
    struct listener *listener = container_of(source, struct listener, source);

    (void)events;
    for (int i = 0; i < ACCEPTS_PER_ROUND && !listener->is_paused; i++) {
        uint64_t before_usec = clock_boot_usec();
        int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0) {
            if (errno == EAGAIN)
                backlog_empty(&listener->backlog, before_usec);
            else if (errno != ECONNABORTED && errno != EINTR)
                turn_one_away(listener);
            return;
        }
        backlog_accepted(&listener->backlog, before_usec);
        if (!listener->events->on_accept(listener, fd))
            return;
    }
}

/* Returns whether something is there that is no socket, and so no daemon's. */
static bool is_precious(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode);
}

static int check_precious(const char *path, char *ret_error)
{
    if (!is_precious(path))
        return 0;
    snprintf(ret_error, LISTENER_ERROR_MAX, "%.160s is not a socket", path);
    return -EEXIST;
}

/* Removes a socket that no process listens on: a daemon that was killed left it behind. */
static int remove_stale(const struct sockaddr_un *address, char *ret_error)
{
    CLEANUP(fd_closep)
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN) {
        snprintf(ret_error, LISTENER_ERROR_MAX, "another daemon is already listening at %.160s",
                 address->sun_path);
        return -EADDRINUSE;
    }
    if (errno != ECONNREFUSED)
        return 0;
    return unlink(address->sun_path) < 0 ? -errno : 0;
}

/* Refuses descriptors that clients send; before Linux 6.16, received ones are closed unread. */
static void refuse_descriptors(int fd)
{
    setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &(int){0}, sizeof(int));
}

static int bind_and_listen(int fd, const struct sockaddr_un *address, mode_t mode)
{
    if (fd < 0 || bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ||
        chmod(address->sun_path, mode) < 0 || listen(fd, BACKLOG_MAX) < 0)
        return -errno;
    return 0;
}

/*
 * Listens at a temporary name, and renames the socket over the one of the other daemon. So a client
 * finds one of the two sockets at any time.
 */
static int replace(int fd, const struct sockaddr_un *address, mode_t mode)
{
    struct sockaddr_un temporary = *address;
    char *last = &temporary.sun_path[strlen(temporary.sun_path) - 1];
    int r;

    *last = *last == '~' ? '+' : '~'; /* not longer than the path, which may have any length */
    if (is_precious(temporary.sun_path))
        return -EEXIST;
    unlink(temporary.sun_path);
    r = bind_and_listen(fd, &temporary, mode);
    if (r == 0 && rename(temporary.sun_path, address->sun_path) < 0)
        r = -errno;
    if (r < 0)
        unlink(temporary.sun_path);
    return r;
}

static int listen_at(const struct sockaddr_un *address, mode_t mode, bool replaces, int *ret_fd)
{
    CLEANUP(fd_closep)
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int r = replaces ? replace(fd, address, mode) : bind_and_listen(fd, address, mode);

    if (r < 0)
        return r;
    refuse_descriptors(fd);
    *ret_fd = TAKE_FD(fd);
    return 0;
}

static int open_socket(const char *path, mode_t mode, bool replaces, int *ret_fd, char *ret_error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int r;

    if (strlen(path) >= sizeof(address.sun_path)) {
        snprintf(ret_error, LISTENER_ERROR_MAX, "the path of the socket is longer than %zu bytes",
                 sizeof(address.sun_path) - 1);
        return -ENAMETOOLONG;
    }
    strcpy(address.sun_path, path);
    ret_error[0] = '\0';
    r = file_make_directory_of(path, 0755);
    if (r == 0)
        r = check_precious(path, ret_error);
    if (r == 0 && !replaces)
        r = remove_stale(&address, ret_error);
    if (r == 0)
        r = listen_at(&address, mode, replaces, ret_fd);
    if (r < 0 && !ret_error[0])
        snprintf(ret_error, LISTENER_ERROR_MAX, "cannot listen at %.160s: %s", path, strerror(-r));
    return r;
}

/*
 * Checks a socket that the service manager listens on. Not listen() again: to clients, the process
 * that called it last is the server, and they trust root.
 */
static int check_passed(int fd, const char *path, char *ret_error)
{
    struct sockaddr_un address = {0};
    socklen_t len = sizeof(address) - 1, size = sizeof(int);
    int type = 0, listens = 0;

    if (getsockname(fd, (struct sockaddr *)&address, &len) < 0 || address.sun_family != AF_UNIX ||
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_STREAM ||
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0 || !listens) {
        snprintf(ret_error, LISTENER_ERROR_MAX,
                 "the service manager passed something else than a listening Unix stream socket");
        return -ENOTSOCK;
    }
    if (strcmp(address.sun_path, path) != 0) {
        snprintf(ret_error, LISTENER_ERROR_MAX,
                 "the service manager listens at %.108s; Socket= and ListenStream= of the socket "
                 "unit must be the same",
                 address.sun_path);
        return -EADDRNOTAVAIL;
    }
    refuse_descriptors(fd);
    return fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

static bool is_in_place(const struct listener *listener)
{
    struct stat st;

    return lstat(listener->path, &st) == 0 && st.st_dev == listener->device &&
           st.st_ino == listener->inode;
}

/* Takes over the descriptor of a socket that was just bound to the path. */
static int use(struct listener *listener, int fd)
{
    struct stat st = {0};

    listener->source.fd = fd;
    if (lstat(listener->path, &st) < 0)
        return -errno;
    listener->device = st.st_dev;
    listener->inode = st.st_ino;
    return loop_add(listener->loop, &listener->source, listener->is_paused ? 0 : EPOLLIN);
}

/* Only the service manager can listen there again as root, whom clients trust. */
static void say_lost(struct listener *listener)
{
    if (!listener->is_lost)
        log_error("the socket %s was removed; restart the socket unit that listens there",
                  listener->path);
    listener->is_lost = true;
}

/* Connections that are accepted go on. Clients that wait in the old queue connect again. */
static void listen_again(struct listener *listener)
{
    char error[LISTENER_ERROR_MAX];
    int fd = -1, r = open_socket(listener->path, listener->mode, false, &fd, error);

    if (r == 0) {
        loop_remove(listener->loop, &listener->source);
        close(listener->source.fd);
        r = use(listener, fd);
        if (r < 0)
            unlink(listener->path); /* the next look tries again */
        snprintf(error, sizeof(error), "%s", strerror(-r));
    }
    if (r == -EADDRINUSE && !listener->is_lost)
        log_notice("another daemon has taken over %s; serving the connections that exist",
                   listener->path);
    else if (r < 0 && !listener->is_lost)
        log_error("the socket %s was removed; trying to listen again: %s", listener->path, error);
    if (r == 0)
        log_warning(
            "the socket %s was removed; listening again. If its directory was removed, too, "
            "pods that have mounted it must be restarted",
            listener->path);
    listener->is_lost = r < 0;
}

static void on_watch(struct timer *timer)
{
    struct listener *listener = container_of(timer, struct listener, watch);

    if (!is_in_place(listener) && listener->is_passed)
        say_lost(listener);
    else if (!is_in_place(listener))
        listen_again(listener);
    loop_timer(listener->loop, &listener->watch, WATCH_USEC, on_watch);
}

int listener_open(struct listener *listener, struct loop *loop, const struct listener_place *place,
                  const struct listener_events *events, char ret_error[LISTENER_ERROR_MAX])
{
    CLEANUP(fd_closep)
    int fd = place->passed_fd;
    int r;

    *listener = (struct listener){
        .loop = loop,
        .events = events,
        .source = {.fd = -1, .on_ready = on_listener},
        .path = strdup(place->path),
        .mode = place->mode,
        .is_passed = fd >= 0,
        .reserve_fd = open_reserve(),
    };
    snprintf(ret_error, LISTENER_ERROR_MAX, "out of memory");
    if (!listener->path)
        return -ENOMEM;
    r = fd >= 0 ? check_passed(fd, place->path, ret_error)
                : open_socket(place->path, place->mode, place->replaces, &fd, ret_error);
    if (r < 0)
        return r;
    loop_timer(loop, &listener->watch, WATCH_USEC, on_watch);
    r = use(listener, TAKE_FD(fd));
    if (r < 0)
        snprintf(ret_error, LISTENER_ERROR_MAX,
                 "the socket %.160s was removed; restart the socket unit that listens there",
                 place->path);
    return r;
}

void listener_close(struct listener *listener)
{
    if (!listener->loop)
        return; /* listener_open() was not called */
    if (listener->source.fd >= 0) {
        if (!listener->is_passed && is_in_place(listener))
            unlink(listener->path);
        loop_remove(listener->loop, &listener->source);
        close(listener->source.fd);
    }
    timer_unset(&listener->resume);
    timer_unset(&listener->watch);
    if (listener->reserve_fd >= 0)
        close(listener->reserve_fd);
    free(listener->path);
    *listener = (struct listener){.source.fd = -1, .reserve_fd = -1};
}
