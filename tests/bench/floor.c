/*
 * The floor: the best that a server of this protocol can reach on this machine. One epoll loop
 * reads complete frames and answers each, except LOGIN, with the same bytes; it looks up, checks
 * and logs nothing. A daemon cannot be faster, so ratios to the floor show what the daemon itself
 * costs.
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "bench/client.h"

#define EVENTS_PER_WAIT 128
#define INPUT_MAX       32768

/* A frame that has not arrived completely. */
struct partial {
    uint8_t *bytes;
    size_t len;
};

/* A request that is answered together with others, as if it waited for an upstream. */
struct late {
    int fd;
    uint16_t id;
};

struct floor {
    const char *socket;
    size_t answer_bytes;
    unsigned delay_ms; /* 0: each request is answered at once */
    bool closes;       /* closes a connection behind its first answer */
    int epoll_fd;
    int listener;
    int timer;
    struct partial *partials; /* by descriptor */
    size_t n_partials;
    struct late *late;
    size_t n_late, late_max;
    uint8_t answer[WIRE_HEADER_SIZE + PODLOGIN_ANSWER_MAX];
    uint8_t input[INPUT_MAX];
};

static int parse_options(int argc, char **argv, struct floor *server)
{
    enum {
        SOCKET = 1,
        ANSWER_BYTES,
        DELAY_MS,
        CLOSE
    };
    static const struct option table[] = {
        {"socket", required_argument, NULL, SOCKET},
        {"answer-bytes", required_argument, NULL, ANSWER_BYTES},
        {"delay-ms", required_argument, NULL, DELAY_MS},
        {"close", no_argument, NULL, CLOSE},
        {0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
        switch (option) {
        case SOCKET:
            server->socket = optarg;
            break;
        case ANSWER_BYTES:
            server->answer_bytes = strtoul(optarg, NULL, 10);
            break;
        case DELAY_MS:
            server->delay_ms = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case CLOSE:
            server->closes = true;
            break;
        default:
            return -EINVAL;
        }
    }
    return server->socket && optind == argc && server->answer_bytes > WIRE_HEADER_SIZE &&
                   server->answer_bytes <= sizeof(server->answer)
               ? 0
               : -EINVAL;
}

static void answer_now(struct floor *server, int fd, uint16_t id)
{
    wire_set_id(server->answer, id);
    /* the load generators read each answer before the next request, so there is always room */
    send(fd, server->answer, server->answer_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* The first delayed request starts the timer for all that arrive before it expires. */
static int answer_late(struct floor *server, int fd, uint16_t id)
{
    const struct itimerspec after = {
        .it_value = {.tv_sec = server->delay_ms / 1000,
                     .tv_nsec = server->delay_ms % 1000 * 1000000L},
    };

    if (server->n_late == server->late_max) {
        size_t max = server->late_max ? 2 * server->late_max : 1024;
        struct late *grown = reallocarray(server->late, max, sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        server->late = grown;
        server->late_max = max;
    }
    if (server->n_late == 0)
        timerfd_settime(server->timer, 0, &after, NULL);
    server->late[server->n_late++] = (struct late){.fd = fd, .id = id};
    return 0;
}

static void on_timer(struct floor *server)
{
    uint64_t n;

    if (read(server->timer, &n, sizeof(n)) != sizeof(n))
        return;
    for (size_t i = 0; i < server->n_late; i++)
        answer_now(server, server->late[i].fd, server->late[i].id);
    server->n_late = 0;
}

static void drop(struct floor *server, int fd)
{
    struct partial *partial = &server->partials[fd];

    free(partial->bytes);
    *partial = (struct partial){0};
    for (size_t i = 0; i < server->n_late; i++)
        if (server->late[i].fd == fd)
            server->late[i--] = server->late[--server->n_late];
    /* close() would remove its events as well, but takes longer for it */
    epoll_ctl(server->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    close(fd);
}

static size_t serve_frames(struct floor *server, int fd, size_t len)
{
    size_t at = 0;

    while (len - at >= WIRE_HEADER_SIZE) {
        struct wire_header header;

        wire_header_read(server->input + at, &header);
        if (len - at - WIRE_HEADER_SIZE < header.payload_len)
            break;
        at += WIRE_HEADER_SIZE + header.payload_len;
        if (header.type == MESSAGE_LOGIN)
            continue;
        if (!server->delay_ms)
            answer_now(server, fd, header.id);
        else if (answer_late(server, fd, header.id) < 0)
            exit(1);
    }
    return at;
}

static void on_readable(struct floor *server, int fd)
{
    struct partial *partial = &server->partials[fd];
    size_t held = partial->len, served, len;
    ssize_t n;

    if (held) {
        memcpy(server->input, partial->bytes, held);
        free(partial->bytes);
        *partial = (struct partial){0};
    }
    n = recv(fd, server->input + held, INPUT_MAX - held, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN && !held)
        return;
    if (n <= 0) {
        drop(server, fd);
        return;
    }
    len = held + (size_t)n;
    served = serve_frames(server, fd, len);
    if (served == len)
        return;
    partial->bytes = malloc(len - served);
    if (!partial->bytes)
        exit(1);
    partial->len = len - served;
    memcpy(partial->bytes, server->input + served, partial->len);
}

static int watch(struct floor *server, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    return epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static void grow_partials(struct floor *server, int fd)
{
    size_t n = 2 * ((size_t)fd + 1);
    struct partial *grown;

    if ((size_t)fd < server->n_partials)
        return;
    grown = reallocarray(server->partials, n, sizeof(*grown));
    if (!grown)
        exit(1);
    memset(grown + server->n_partials, 0, (n - server->n_partials) * sizeof(*grown));
    server->partials = grown;
    server->n_partials = n;
}

/* For clients whose first bytes are one whole request: the connection is never watched. */
static void serve_once(struct floor *server, int fd)
{
    ssize_t n = recv(fd, server->input, INPUT_MAX, 0);

    if (n > 0)
        serve_frames(server, fd, (size_t)n);
    close(fd);
}

/* Does not try to accept a second connection if nothing else was ready: mostly there is none. */
static void on_listener(struct floor *server, int n_ready)
{
    int fd;

    while ((fd = accept4(server->listener, NULL, NULL,
                         SOCK_CLOEXEC | (server->closes ? 0 : SOCK_NONBLOCK))) >= 0) {
        grow_partials(server, fd);
        if (server->closes)
            serve_once(server, fd);
        else if (watch(server, fd) < 0)
            close(fd);
        else
            on_readable(server, fd); /* clients write as soon as they have connected */
        if (n_ready == 1)
            return;
    }
}

static int listen_at(struct floor *server)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(server->socket) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    strcpy(address.sun_path, server->socket);
    server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    server->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (server->listener < 0 || server->timer < 0 || server->epoll_fd < 0 ||
        watch(server, server->listener) < 0 || watch(server, server->timer) < 0 ||
        bind(server->listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(server->listener, SOMAXCONN) < 0)
        return -errno;
    return 0;
}

/* A valid header, and a payload that nothing reads. */
static void make_answer(struct floor *server)
{
    uint32_t len = (uint32_t)(server->answer_bytes - WIRE_HEADER_SIZE);
    const uint8_t header[WIRE_HEADER_SIZE] = {
        (uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
        (uint8_t)len,         WIRE_VERSION,         MESSAGE_TOKEN,
    };

    memset(server->answer, 'x', sizeof(server->answer));
    memcpy(server->answer, header, sizeof(header));
}

static int serve(struct floor *server)
{
    struct epoll_event events[EVENTS_PER_WAIT];

    for (;;) {
        int n = epoll_wait(server->epoll_fd, events, EVENTS_PER_WAIT, -1);

        if (n < 0 && errno != EINTR)
            return -errno;
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;

            if (fd == server->listener)
                on_listener(server, n);
            else if (fd == server->timer)
                on_timer(server);
            else
                on_readable(server, fd);
        }
    }
}

int main(int argc, char **argv)
{
    static struct floor server = {.answer_bytes = 1160};
    int r;

    if (parse_options(argc, argv, &server) < 0) {
        fprintf(stderr, "bench-floor --socket PATH [--answer-bytes N] [--delay-ms N | --close]\n");
        return 64;
    }
    raise_descriptors();
    make_answer(&server);
    r = listen_at(&server);
    if (r == 0)
        r = serve(&server);
    fprintf(stderr, "%s: %s\n", server.socket, strerror(-r));
    return 1;
}
