/*
 * A storm: N connections that all send a request at the same time, then wait. Prints the latencies
 * as JSON, each from the time before the first request was written. Exits with 1 if any answer is
 * not a token.
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/cleanup.h"
#include "bench/client.h"

#define SILENCE_MAX_MS  30000
#define EVENTS_PER_WAIT 256

struct options {
    const char *socket;
    const char *jwt_file;
    const char *service;
    size_t connections;
};

struct storm {
    struct options options;
    struct tickets tickets;
    struct client *clients;
    int epoll_fd;
    uint64_t from_ns;
    uint64_t written_ns;  /* when the last request was written */
    uint64_t *latency_ns; /* exact, because the relevant differences are small */
    size_t n_answers;
    size_t n_failures;
};

static void print_help(void)
{
    printf("bench-storm --socket PATH --jwt-file FILE [--service NAME] [--connections N]\n\n"
           "The connections use the JWTs of the file, one per line, in turn.\n");
}

static int parse_options(int argc, char **argv, struct options *options)
{
    enum {
        SOCKET = 1,
        JWT_FILE,
        SERVICE,
        CONNECTIONS
    };
    static const struct option table[] = {
        {"socket", required_argument, NULL, SOCKET},
        {"jwt-file", required_argument, NULL, JWT_FILE},
        {"service", required_argument, NULL, SERVICE},
        {"connections", required_argument, NULL, CONNECTIONS},
        {0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
        switch (option) {
        case SOCKET:
            options->socket = optarg;
            break;
        case JWT_FILE:
            options->jwt_file = optarg;
            break;
        case SERVICE:
            options->service = optarg;
            break;
        case CONNECTIONS:
            options->connections = strtoul(optarg, NULL, 10);
            break;
        default:
            return -EINVAL;
        }
    }
    return options->socket && options->jwt_file && options->connections && optind == argc ? 0
                                                                                          : -EINVAL;
}

static int prepare(struct storm *storm)
{
    const struct options *options = &storm->options;
    int r = tickets_load(&storm->tickets, options->jwt_file, options->service, false);

    if (r < 0)
        return r;
    raise_descriptors();
    storm->clients = calloc(options->connections, sizeof(*storm->clients));
    storm->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    storm->latency_ns = calloc(options->connections, sizeof(*storm->latency_ns));
    if (!storm->clients || !storm->latency_ns || storm->epoll_fd < 0)
        return -ENOMEM;
    for (size_t i = 0; i < options->connections && r == 0; i++) {
        struct client *client = &storm->clients[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};

        r = client_connect(client, options->socket);
        if (r == 0 && epoll_ctl(storm->epoll_fd, EPOLL_CTL_ADD, client->fd, &event) < 0)
            r = -errno;
    }
    return r;
}

static int ask_all(struct storm *storm)
{
    int r = 0;

    storm->from_ns = now_ns();
    for (size_t i = 0; i < storm->options.connections && r == 0; i++)
        r = client_ask(&storm->clients[i], &storm->tickets.ticket[i % storm->tickets.n], 0);
    storm->written_ns = now_ns();
    return r;
}

static bool is_over(const struct storm *storm)
{
    return storm->n_answers + storm->n_failures == storm->options.connections;
}

static int await_all(struct storm *storm)
{
    struct epoll_event events[EVENTS_PER_WAIT];

    while (!is_over(storm)) {
        int n = epoll_wait(storm->epoll_fd, events, EVENTS_PER_WAIT, SILENCE_MAX_MS);

        if (n <= 0)
            return n < 0 ? -errno : -ETIMEDOUT;
        for (int i = 0; i < n; i++) {
            struct client *client = events[i].data.ptr;
            long len = client_read(client);

            if (len == 0)
                continue;
            if (len > 0) {
                storm->latency_ns[storm->n_answers++] = now_ns() - storm->from_ns;
                continue;
            }
            storm->n_failures++;
            client_close(client); /* this removes its events as well */
        }
    }
    return 0;
}

static int compare(const void *a, const void *b)
{
    uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;

    return first < second ? -1 : first > second;
}

/* 0 percent is the minimum, 100 the maximum. */
static double percentile_us(const struct storm *storm, size_t percent)
{
    size_t rank = (storm->n_answers * percent + 99) / 100;

    if (storm->n_answers == 0)
        return 0;
    return (double)storm->latency_ns[rank ? rank - 1 : 0] / 1e3;
}

static void print_latencies(struct storm *storm)
{
    qsort(storm->latency_ns, storm->n_answers, sizeof(*storm->latency_ns), compare);
    printf("\"min_us\": %.3f, \"p50_us\": %.3f, \"p99_us\": %.3f, \"max_us\": %.3f}\n",
           percentile_us(storm, 0), percentile_us(storm, 50), percentile_us(storm, 99),
           percentile_us(storm, 100));
}

int main(int argc, char **argv)
{
    static struct storm storm = {.options = {.service = "pulumi", .connections = 1000}};

    if (parse_options(argc, argv, &storm.options) < 0) {
        print_help();
        return 64;
    }
    if (prepare(&storm) < 0 || ask_all(&storm) < 0)
        return 1; /* the reason was printed */
    if (await_all(&storm) < 0)
        storm.n_failures = storm.options.connections - storm.n_answers;
    printf("{\"requests\": %zu, \"failures\": %zu, \"written_us\": %.3f, ",
           storm.options.connections, storm.n_failures,
           (double)(storm.written_ns - storm.from_ns) / 1e3);
    print_latencies(&storm);
    tickets_done(&storm.tickets);
    free(storm.clients);
    free(storm.latency_ns);
    return storm.n_failures ? 1 : 0;
}
