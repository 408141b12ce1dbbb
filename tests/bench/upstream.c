/*
 * An upstream of node agents that answers every HTTP request with the same body, a while after it
 * came, and counts the requests. In the body, each "@NUMBER@" becomes the number of the request, so
 * that credentials differ. GET /count tells the number at once, and is not counted itself.
 *
 *     bench-upstream LATENCY-MS BODY-FILE     prints {"port": ...}
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "bench/client.h"

#define INPUT_MAX       16384
#define BODY_MAX        8192
#define EVENTS_PER_WAIT 256
#define NUMBER          "@NUMBER@"

struct peer {
    int fd;
    size_t got;
    uint64_t due_ns; /* when its answer is */
    char input[INPUT_MAX];
    struct peer *next; /* the one whose answer is due next */
};

struct upstream {
    uint64_t latency_ns;
    char body[BODY_MAX];
    int epoll_fd, listener, timer;
    struct peer *first, *last; /* that wait for an answer */
    unsigned n_requests;
};

static int watch(struct upstream *upstream, int fd, void *data)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = data};

    return epoll_ctl(upstream->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static void send_json(struct peer *peer, const char *json)
{
    char answer[BODY_MAX + 256], date[64];
    time_t now = time(NULL);
    struct tm utc;
    int len;

    strftime(date, sizeof(date), "%a, %d %b %Y %T GMT", gmtime_r(&now, &utc));
    len = snprintf(answer, sizeof(answer),
                   "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: %s\r\n"
                   "Content-Length: %zu\r\n\r\n%s",
                   date, strlen(json), json);
    send(peer->fd, answer, (size_t)len, MSG_NOSIGNAL);
}

static void answer(struct upstream *upstream, struct peer *peer)
{
    char body[BODY_MAX], number[sizeof(NUMBER) + 16];

    strcpy(body, upstream->body);
    snprintf(number, sizeof(number), "%0*u", (int)sizeof(NUMBER) - 1, upstream->n_requests++);
    for (char *at = body; (at = strstr(at, NUMBER));)
        memcpy(at, number, sizeof(NUMBER) - 1);
    send_json(peer, body);
}

static void set_timer(struct upstream *upstream)
{
    struct itimerspec at = {0};

    if (upstream->first)
        at.it_value = (struct timespec){.tv_sec = (time_t)(upstream->first->due_ns / 1000000000),
                                        .tv_nsec = (long)(upstream->first->due_ns % 1000000000)};
    timerfd_settime(upstream->timer, TFD_TIMER_ABSTIME, &at, NULL);
}

static void on_timer(struct upstream *upstream)
{
    uint64_t now = now_ns(), n;

    if (read(upstream->timer, &n, sizeof(n)) != sizeof(n))
        return;
    while (upstream->first && upstream->first->due_ns <= now) {
        struct peer *peer = upstream->first;

        upstream->first = peer->next;
        answer(upstream, peer);
    }
    set_timer(upstream);
}

/* All wait for the same time, so answers are due in the order of their requests. */
static void answer_later(struct upstream *upstream, struct peer *peer)
{
    bool was_idle = !upstream->first;

    peer->due_ns = now_ns() + upstream->latency_ns;
    peer->next = NULL;
    if (was_idle)
        upstream->first = peer;
    else
        upstream->last->next = peer;
    upstream->last = peer;
    if (was_idle)
        set_timer(upstream);
}

static bool is_complete(const struct peer *peer)
{
    const char *end = strstr(peer->input, "\r\n\r\n");
    const char *len = strcasestr(peer->input, "\r\ncontent-length:");

    return end && peer->got >= (size_t)(end + 4 - peer->input) +
                                   (len && len < end ? strtoul(len + 17, NULL, 10) : 0);
}

/* A client that closes its connection while it waits is not looked at before its answer is due. */
static void on_readable(struct upstream *upstream, struct peer *peer)
{
    ssize_t n = recv(peer->fd, peer->input + peer->got, INPUT_MAX - 1 - peer->got, MSG_DONTWAIT);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        close(peer->fd); /* the rest is left: an answer to it may be due */
        peer->fd = -1;
        return;
    }
    peer->got += (size_t)n;
    peer->input[peer->got] = '\0';
    if (!is_complete(peer))
        return;
    peer->got = 0;
    if (strncmp(peer->input, "GET /count ", 11) == 0) {
        char count[64];

        snprintf(count, sizeof(count), "{\"requests\": %u}", upstream->n_requests);
        send_json(peer, count);
    } else {
        answer_later(upstream, peer);
    }
}

static void on_listener(struct upstream *upstream)
{
    int fd;

    while ((fd = accept4(upstream->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        struct peer *peer = calloc(1, sizeof(*peer));

        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        if (!peer || watch(upstream, fd, peer) < 0)
            exit(1);
        peer->fd = fd;
    }
}

static int listen_at(struct upstream *upstream)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t len = sizeof(address);

    upstream->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    upstream->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    upstream->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (upstream->listener < 0 || upstream->timer < 0 || upstream->epoll_fd < 0 ||
        bind(upstream->listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(upstream->listener, SOMAXCONN) < 0 ||
        getsockname(upstream->listener, (struct sockaddr *)&address, &len) < 0)
        return -errno;
    printf("{\"port\": %u}\n", ntohs(address.sin_port));
    fflush(stdout);
    if (watch(upstream, upstream->listener, &upstream->listener) < 0)
        return -errno;
    return watch(upstream, upstream->timer, &upstream->timer);
}

static int serve(struct upstream *upstream)
{
    struct epoll_event events[EVENTS_PER_WAIT];

    for (;;) {
        int n = epoll_wait(upstream->epoll_fd, events, EVENTS_PER_WAIT, -1);

        if (n < 0 && errno != EINTR)
            return -errno;
        for (int i = 0; i < n; i++) {
            void *data = events[i].data.ptr;

            if (data == &upstream->listener)
                on_listener(upstream);
            else if (data == &upstream->timer)
                on_timer(upstream);
            else
                on_readable(upstream, data);
        }
    }
}

static int read_body(struct upstream *upstream, const char *path)
{
    FILE *file = fopen(path, "re");

    if (!file)
        return -errno;
    upstream->body[fread(upstream->body, 1, BODY_MAX - 1, file)] = '\0';
    fclose(file);
    return 0;
}

int main(int argc, char **argv)
{
    static struct upstream upstream;
    int r;

    if (argc != 3) {
        fprintf(stderr, "bench-upstream LATENCY-MS BODY-FILE\n");
        return 64;
    }
    upstream.latency_ns = strtoull(argv[1], NULL, 10) * 1000000;
    raise_descriptors();
    r = read_body(&upstream, argv[2]);
    if (r == 0)
        r = listen_at(&upstream);
    if (r == 0)
        r = serve(&upstream);
    fprintf(stderr, "bench-upstream: %s\n", strerror(-r));
    return 1;
}
