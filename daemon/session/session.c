#include "session/session.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/log.h"
#include "session/connection.h"

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

#define ACCEPTS_PER_ROUND 4 /* those who are connected come between */
#define RESUME_USEC       (SECOND_USEC / 10)
#define DESCRIPTORS_KEPT  64 /* for the store, the exchanger, the loop, files */

/* Stops listening, without spinning, until a connection ends. */
static void pause_listening(struct sessions *sessions)
{
    sessions->is_paused = true;
    loop_change(sessions->loop, &sessions->listener, 0);
}

void sessions_resume(struct sessions *sessions)
{
    if (!sessions->is_paused)
        return;
    sessions->is_paused = false;
    timer_unset(&sessions->resume);
    loop_change(sessions->loop, &sessions->listener, EPOLLIN);
}

enum peer_view sessions_view(const struct sessions *sessions)
{
    const struct limits *limits = &sessions->config->limits;
    bool counts = limits->connections_per_pod || limits->requests.per_s ||
                  limits->signature_checks.per_s || limits->misses;

    if (sessions->config->attestation != ATTESTATION_OFF)
        return PEER_PINNED;
    return counts ? PEER_POD : PEER_USER;
}

static void on_resume(struct timer *timer)
{
    sessions_resume(container_of(timer, struct sessions, resume));
}

static int open_reserve(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* The process, or the system, is out of descriptors: the next in the queue is told so, with the one
 * that was kept for it, and those who are connected go on. */
static void turn_one_away(struct sessions *sessions)
{
    int fd = -1;

    if (sessions->reserve_fd >= 0) {
        close(sessions->reserve_fd);
        fd = accept4(sessions->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
            connection_turn_away(fd, "the daemon is out of descriptors");
    }
    sessions->reserve_fd = open_reserve();
    if (fd >= 0)
        return;
    pause_listening(sessions);
    loop_timer(sessions->loop, &sessions->resume, RESUME_USEC, on_resume);
}

static void on_listener(struct loop_source *source, uint32_t events)
{
    struct sessions *sessions = container_of(source, struct sessions, listener);

    (void)events;
    for (int i = 0; i < ACCEPTS_PER_ROUND; i++) {
        uint64_t before_usec = clock_boot_usec();
        int fd;

        if (sessions->n_connections >= sessions->max_connections) {
            pause_listening(sessions);
            return;
        }
        fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
            if (errno == EAGAIN)
                backlog_empty(&sessions->backlog, before_usec);
            else if (errno != ECONNABORTED && errno != EINTR)
                turn_one_away(sessions);
            return;
        }
        backlog_accepted(&sessions->backlog, before_usec);
        if (!connection_new(sessions, fd))
            return; /* in a flood each of them would keep those who are connected waiting */
    }
}

/* A socket that nobody listens on is left over from a daemon that was killed. */
static int remove_stale(const struct sockaddr_un *address, char *ret_error)
{
    CLEANUP(fd_closep)
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct stat st;

    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN) {
        snprintf(ret_error, SESSION_ERROR_MAX, "a daemon is listening at %.160s already",
                 address->sun_path);
        return -EADDRINUSE;
    }
    if (errno != ECONNREFUSED)
        return 0;
    if (lstat(address->sun_path, &st) == 0 && !S_ISSOCK(st.st_mode)) {
        snprintf(ret_error, SESSION_ERROR_MAX, "%.160s is not a socket", address->sun_path);
        return -EEXIST;
    }
    return unlink(address->sun_path) < 0 ? -errno : 0;
}

/* Whoever can traverse the directory may connect; who it is, the token says. */
static int listen_at(const struct sockaddr_un *address, int *ret_fd)
{
    CLEANUP(fd_closep)
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ||
        chmod(address->sun_path, 0666) < 0 || listen(fd, BACKLOG_MAX) < 0)
        return -errno;
    /* descriptors that clients send are nobody's here: before Linux 6.16 they are closed unread */
    setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &(int){0}, sizeof(int));
    *ret_fd = TAKE_FD(fd);
    return 0;
}

static int make_directory(const char *path)
{
    CLEANUP(freep)
    char *copy = strdup(path);
    mode_t before;
    int r;

    if (!copy)
        return -ENOMEM;
    before = umask(022);
    r = mkdir(dirname(copy), 0755);
    umask(before);
    return r < 0 && errno != EEXIST ? -errno : 0;
}

static int open_listener(const char *path, int *ret_fd, char *ret_error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int r;

    if (strlen(path) >= sizeof(address.sun_path)) {
        snprintf(ret_error, SESSION_ERROR_MAX, "Socket= is longer than %zu bytes",
                 sizeof(address.sun_path) - 1);
        return -ENAMETOOLONG;
    }
    strcpy(address.sun_path, path);
    ret_error[0] = '\0';
    r = make_directory(path);
    if (r == 0)
        r = remove_stale(&address, ret_error);
    if (r == 0)
        r = listen_at(&address, ret_fd);
    if (r < 0 && !ret_error[0])
        snprintf(ret_error, SESSION_ERROR_MAX, "cannot listen at %.160s: %s", path, strerror(-r));
    return r;
}

/* Each takes two: its socket, and the process at its other end. */
static size_t connections_allowed(const struct limits *limits)
{
    struct rlimit limit;
    size_t room = DESCRIPTORS_KEPT / 2;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur > 2 * DESCRIPTORS_KEPT)
        room = (limit.rlim_cur - DESCRIPTORS_KEPT) / 2;
    return room < limits->connections ? room : limits->connections;
}

int sessions_init(struct sessions *sessions, struct loop *loop, const struct config *config,
                  struct identities *identities, struct broker *broker,
                  char ret_error[SESSION_ERROR_MAX])
{
    int fd = -1, r;

    *sessions = (struct sessions){
        .loop = loop,
        .config = config,
        .identities = identities,
        .broker = broker,
        .listener = {.fd = -1, .on_ready = on_listener},
        .max_connections = connections_allowed(&config->limits),
        .reserve_fd = open_reserve(),
    };
    quotas_init(&sessions->quotas);
    list_init(&sessions->connections);
    r = open_listener(config->socket, &fd, ret_error);
    if (r < 0)
        return r;
    sessions->listener.fd = fd;
    return loop_add(loop, &sessions->listener, EPOLLIN);
}

void sessions_reload(struct sessions *sessions, const struct config *config)
{
    struct list *node = sessions->connections.next;
    enum peer_view view = sessions_view(sessions);
    bool is_closer;

    sessions->config = config;
    is_closer = sessions_view(sessions) > view;
    sessions->max_connections = connections_allowed(&config->limits);
    while (node != &sessions->connections) {
        struct connection *connection = container_of(node, struct connection, node);

        node = node->next;
        if (is_closer)
            connection_free(connection); /* its peer can be looked at on its next connection only */
        else
            connection_reload(connection, config);
    }
}

void sessions_done(struct sessions *sessions)
{
    if (sessions->listener.fd >= 0) {
        unlink(sessions->config->socket);
        loop_remove(sessions->loop, &sessions->listener);
        close(sessions->listener.fd);
        sessions->listener.fd = -1;
    }
    sessions->is_paused = false;
    while (sessions->connections.next && !list_is_empty(&sessions->connections))
        connection_free(container_of(sessions->connections.next, struct connection, node));
    quotas_done(&sessions->quotas);
    timer_unset(&sessions->resume);
    if (sessions->reserve_fd > 0)
        close(sessions->reserve_fd);
}
