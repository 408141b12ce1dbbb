/*
 * Load for the daemon and for other servers alike: K connections, each with one pending request, in
 * one epoll loop. The requests are bytes of a file. Every answer must be one in its protocol, and
 * must contain the expected bytes. Prints the result as JSON.
 */
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "bench/client.h"
#include "bench/framing.h"
#include "bench/histogram.h"

#define SILENCE_MAX_MS  30000
#define EVENTS_PER_WAIT 256
#define FILE_MAX        (16 << 20)
#define ANSWER_MAX      16384
#define LEN_BYTES       4 /* before each request of the file */

struct bytes {
    uint8_t *at;
    size_t len;
};

/* The opening of a connection, and the request; a further request of the connection is sent from
 * @again_at on. */
struct request {
    uint8_t *bytes;
    size_t len;
    size_t again_at;
};

struct options {
    const char *socket;
    unsigned port; /* on 127.0.0.1, instead of a socket */
    const char *opening;
    const char *requests;
    const char *expected;
    size_t connections;
    double seconds;
    double warmup_s;
    bool is_connect; /* a new connection for each request */
    bool is_storm;   /* each connection sends one request, all at one moment */
};

struct connection {
    int fd;
    uint32_t n_asked;
    const struct request *request; /* always the same, unless each has a connection of its own */
    uint64_t started_ns;
    size_t got;
    uint8_t answer[ANSWER_MAX];
};

struct replay {
    struct options options;
    const struct framing *framing;
    struct bytes opening, expected;
    struct request *requests;
    size_t n_requests;
    struct connection *connections;
    int epoll_fd;
    struct histogram histogram;
    size_t expected_at; /* in the answers so far; mostly that of the next one, too */
    size_t answer_len;
    size_t n_under_way;
    uint64_t n_asked;
    uint64_t from_ns; /* requests that begin earlier are warm-up */
    uint64_t until_ns;
};

static void print_help(void)
{
    printf("bench-replay --framing NAME --socket PATH|--port N --requests FILE --expect FILE\n\n"
           "  --requests FILE   each after its length as 4 bytes, the first one first; the\n"
           "                    connections use them in turn\n"
           "  --opening FILE    sent before the first request of a connection\n"
           "  --connections K   each with one pending request (1)\n"
           "  --mode MODE       persistent, connect (a connection for each request), or storm\n"
           "                    (one request each, all at one moment) (persistent)\n"
           "  --seconds S       (1)\n"
           "  --warmup S        not counted (0.1)\n");
}

static int parse_mode(struct options *options, const char *mode)
{
    options->is_connect = strcmp(mode, "connect") == 0;
    options->is_storm = strcmp(mode, "storm") == 0;
    return options->is_connect || options->is_storm || strcmp(mode, "persistent") == 0 ? 0
                                                                                       : -EINVAL;
}

static int parse_options(int argc, char **argv, struct replay *replay)
{
    enum {
        FRAMING = 1,
        SOCKET,
        PORT,
        REQUESTS,
        OPENING,
        EXPECT,
        CONNECTIONS,
        MODE,
        SECONDS,
        WARMUP
    };
    static const struct option table[] = {
        {"framing", required_argument, NULL, FRAMING},
        {"socket", required_argument, NULL, SOCKET},
        {"port", required_argument, NULL, PORT},
        {"requests", required_argument, NULL, REQUESTS},
        {"opening", required_argument, NULL, OPENING},
        {"expect", required_argument, NULL, EXPECT},
        {"connections", required_argument, NULL, CONNECTIONS},
        {"mode", required_argument, NULL, MODE},
        {"seconds", required_argument, NULL, SECONDS},
        {"warmup", required_argument, NULL, WARMUP},
        {0},
    };
    struct options *options = &replay->options;
    int option;

    while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
        switch (option) {
        case FRAMING:
            replay->framing = framing_find(optarg);
            break;
        case SOCKET:
            options->socket = optarg;
            break;
        case PORT:
            options->port = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case REQUESTS:
            options->requests = optarg;
            break;
        case OPENING:
            options->opening = optarg;
            break;
        case EXPECT:
            options->expected = optarg;
            break;
        case CONNECTIONS:
            options->connections = strtoul(optarg, NULL, 10);
            break;
        case MODE:
            if (parse_mode(options, optarg) < 0)
                return -EINVAL;
            break;
        case SECONDS:
            options->seconds = strtod(optarg, NULL);
            break;
        case WARMUP:
            options->warmup_s = strtod(optarg, NULL);
            break;
        default:
            return -EINVAL;
        }
    }
    return replay->framing && !options->socket != !options->port && options->requests &&
                   options->expected && options->connections && optind == argc
               ? 0
               : -EINVAL;
}

static int fail(const char *what, int r)
{
    fprintf(stderr, "%s: %s\n", what, strerror(-r));
    return r;
}

static void bytes_done(struct bytes *bytes)
{
    free(bytes->at);
}

static int file_read(struct bytes *ret, const char *path)
{
    FILE *file = fopen(path, "re");

    if (!file)
        return fail(path, -errno);
    ret->at = malloc(FILE_MAX);
    ret->len = ret->at ? fread(ret->at, 1, FILE_MAX, file) : 0;
    fclose(file);
    return ret->len > 0 && ret->len < FILE_MAX ? 0 : fail(path, -EFBIG);
}

static int request_add(struct replay *replay, const uint8_t *bytes, size_t len)
{
    const struct bytes *opening = &replay->opening;
    struct request *grown =
        reallocarray(replay->requests, replay->n_requests + 1, sizeof(*replay->requests));

    if (!grown)
        return -ENOMEM;
    replay->requests = grown;
    grown += replay->n_requests;
    *grown = (struct request){
        .bytes = malloc(opening->len + len),
        .len = opening->len + len,
        .again_at = opening->len,
    };
    if (!grown->bytes)
        return -ENOMEM;
    if (opening->len)
        memcpy(grown->bytes, opening->at, opening->len);
    memcpy(grown->bytes + opening->len, bytes, len);
    replay->n_requests++;
    return 0;
}

static int requests_read(struct replay *replay)
{
    CLEANUP(bytes_done)
    struct bytes file = {0};
    int r = file_read(&file, replay->options.requests);

    for (size_t at = 0; r == 0 && at < file.len;) {
        size_t left = file.len - at, len;

        if (left <= LEN_BYTES)
            return fail(replay->options.requests, -EBADMSG);
        len = (size_t)file.at[at] << 24 | (size_t)file.at[at + 1] << 16 |
              (size_t)file.at[at + 2] << 8 | file.at[at + 3];
        if (len == 0 || len > left - LEN_BYTES)
            return fail(replay->options.requests, -EBADMSG);
        r = request_add(replay, file.at + at + LEN_BYTES, len);
        at += LEN_BYTES + len;
    }
    return r;
}

static int socket_connect(const struct options *options)
{
    const struct sockaddr_in tcp = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)options->port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    int fd = socket(options->socket ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int r;

    if (fd < 0)
        return -errno;
    if (options->socket) {
        if (strlen(options->socket) >= sizeof(local.sun_path))
            return -ENAMETOOLONG;
        strcpy(local.sun_path, options->socket);
        r = connect(fd, (const struct sockaddr *)&local, sizeof(local));
    } else {
        /* reset instead of closed, so that ports are free at once */
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1},
                   sizeof(struct linger));
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        r = connect(fd, (const struct sockaddr *)&tcp, sizeof(tcp));
    }
    return r < 0 ? -errno : fd;
}

static int begin(struct replay *replay, struct connection *connection)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};

    connection->got = 0;
    connection->n_asked = 0;
    connection->fd = socket_connect(&replay->options);
    if (connection->fd < 0)
        return fail("connect", connection->fd);
    if (epoll_ctl(replay->epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) < 0)
        return fail("epoll_ctl", -errno);
    return 0;
}

static int ask(struct replay *replay, struct connection *connection)
{
    const struct request *request = connection->request;
    size_t from = connection->n_asked ? request->again_at : 0;
    ssize_t n;

    if (replay->framing->set_number)
        replay->framing->set_number(request->bytes + request->again_at,
                                    request->len - request->again_at, connection->n_asked);
    connection->n_asked++;
    replay->n_asked++;
    replay->n_under_way++;
    n = send(connection->fd, request->bytes + from, request->len - from, MSG_NOSIGNAL);
    if (n != (ssize_t)(request->len - from))
        return fail("send", n < 0 ? -errno : -EIO);
    return 0;
}

static int ask_on_new_connection(struct replay *replay, struct connection *connection)
{
    int r;

    connection->started_ns = now_ns();
    connection->request = &replay->requests[replay->n_asked % replay->n_requests];
    r = begin(replay, connection);
    return r < 0 ? r : ask(replay, connection);
}

static int ask_again(struct replay *replay, struct connection *connection)
{
    if (replay->options.is_connect)
        return ask_on_new_connection(replay, connection);
    connection->started_ns = now_ns();
    return ask(replay, connection);
}

static int check(struct replay *replay, const uint8_t *answer, size_t len)
{
    const struct bytes *expected = &replay->expected;
    const uint8_t *found;

    if (replay->expected_at + expected->len <= len &&
        memcmp(answer + replay->expected_at, expected->at, expected->len) == 0)
        return 0;
    found = memmem(answer, len, expected->at, expected->len);
    if (!found) {
        fprintf(stderr, "the answer is another one: %.*s\n", (int)(len < 200 ? len : 200),
                (const char *)answer);
        return -EBADMSG;
    }
    replay->expected_at = (size_t)(found - answer);
    return 0;
}

/* Returns the length of the answer once it is complete, 0 if more is to come, or -errno. */
static long receive(struct replay *replay, struct connection *connection)
{
    uint8_t *answer = connection->answer;
    ssize_t n =
        recv(connection->fd, answer + connection->got, ANSWER_MAX - connection->got, MSG_DONTWAIT);
    long len;

    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n <= 0)
        return fail("recv", n < 0 ? -errno : -ECONNRESET);
    connection->got += (size_t)n;
    len = replay->framing->answer_len(answer, connection->got);
    if (len < 0 || (len == 0 && connection->got == ANSWER_MAX)) {
        fprintf(stderr, "not an answer: %.*s\n",
                (int)(connection->got < 200 ? connection->got : 200), (const char *)answer);
        return -EBADMSG;
    }
    if (len > 0 && check(replay, answer, (size_t)len) < 0)
        return -EBADMSG;
    if (len > 0) {
        connection->got -= (size_t)len; /* what the next answer begins with: frames of HTTP/2 */
        memmove(answer, answer + len, connection->got);
    }
    return len;
}

static int on_readable(struct replay *replay, struct connection *connection)
{
    long len = receive(replay, connection);
    uint64_t at_ns;

    if (len <= 0)
        return (int)len;
    if (replay->options.is_connect || replay->options.is_storm)
        close(connection->fd);
    at_ns = now_ns();
    replay->n_under_way--;
    replay->answer_len = (size_t)len;
    if (connection->started_ns >= replay->from_ns && at_ns <= replay->until_ns)
        histogram_add(&replay->histogram, at_ns - connection->started_ns);
    if (replay->options.is_storm || at_ns >= replay->until_ns)
        return 0;
    return ask_again(replay, connection);
}

static int start(struct replay *replay)
{
    const struct options *options = &replay->options;
    int r = 0;

    for (size_t i = 0; i < options->connections && r == 0; i++) {
        struct connection *connection = &replay->connections[i];

        connection->request = &replay->requests[i % replay->n_requests];
        r = options->is_connect ? ask_on_new_connection(replay, connection)
                                : begin(replay, connection);
    }
    replay->from_ns = now_ns();
    replay->until_ns = UINT64_MAX;
    if (!options->is_storm) {
        replay->from_ns += (uint64_t)(options->warmup_s * 1e9);
        replay->until_ns = replay->from_ns + (uint64_t)(options->seconds * 1e9);
    }
    for (size_t i = 0; i < options->connections && r == 0 && !options->is_connect; i++) {
        replay->connections[i].started_ns = options->is_storm ? replay->from_ns : now_ns();
        r = ask(replay, &replay->connections[i]);
    }
    return r;
}

static int run(struct replay *replay)
{
    struct epoll_event events[EVENTS_PER_WAIT];
    int r = start(replay);

    while (r == 0 && replay->n_under_way > 0) {
        int n = epoll_wait(replay->epoll_fd, events, EVENTS_PER_WAIT, SILENCE_MAX_MS);

        if (n <= 0) {
            fprintf(stderr, "%zu requests were not answered\n", replay->n_under_way);
            return n < 0 ? -errno : -ETIMEDOUT;
        }
        for (int i = 0; i < n && r == 0; i++)
            r = on_readable(replay, events[i].data.ptr);
    }
    return r;
}

static int prepare(struct replay *replay)
{
    const struct options *options = &replay->options;
    int r;

    raise_descriptors();
    replay->connections = calloc(options->connections, sizeof(*replay->connections));
    replay->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!replay->connections || replay->epoll_fd < 0)
        return -ENOMEM;
    r = options->opening ? file_read(&replay->opening, options->opening) : 0;
    if (r == 0)
        r = requests_read(replay);
    if (r == 0)
        r = file_read(&replay->expected, options->expected);
    return r;
}

int main(int argc, char **argv)
{
    static struct replay replay = {
        .options = {.connections = 1, .seconds = 1, .warmup_s = 0.1},
    };
    uint64_t end_ns;
    double seconds;

    if (parse_options(argc, argv, &replay) < 0) {
        print_help();
        return 64;
    }
    if (prepare(&replay) < 0 || run(&replay) < 0)
        return 1; /* the reason was printed */
    end_ns = now_ns();
    if (end_ns > replay.until_ns)
        end_ns = replay.until_ns;
    seconds = (double)(end_ns - replay.from_ns) / 1e9;
    printf("{\"requests\": %llu, \"all_requests\": %llu, \"per_s\": %.1f, \"answer_bytes\": %zu, ",
           (unsigned long long)replay.histogram.n, (unsigned long long)replay.n_asked,
           (double)replay.histogram.n / seconds, replay.answer_len);
    histogram_print(&replay.histogram);
    printf("}\n");
    return 0; /* what is left is the kernel's to free */
}
