/*
 * Load at a fixed rate, whether or not the daemon keeps up (an open loop): a login and a request
 * are due every 1/rate seconds, and the latency counts from when they are due. Prints a line of
 * JSON for each interval. Exits with 1 as soon as an answer is not a token.
 *
 * Request k uses connection k % N and JWT k % M, so that M = N * i JWTs belong to N pods, each with
 * a connection and i JWTs.
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>

#include "base/cleanup.h"
#include "bench/client.h"
#include "bench/histogram.h"

#define SILENCE_MAX_NS  30000000000 /* a longer time without any answer is a failure */
#define EVENTS_PER_WAIT 256
#define SECOND_NS       1000000000

struct options {
    const char *socket;
    const char *jwt_file;
    char *fds;
    size_t connections;
    double rate;
    double seconds;
    double interval_s;
    bool is_connect; /* a new connection for each request */
};

struct slot {
    struct client client;
    uint64_t due_ns; /* of the pending request */
    uint64_t next;   /* the number of the next request */
    size_t n_behind; /* requests that are due, behind the pending one */
    bool is_pending;
};

struct pace {
    struct options options;
    struct tickets tickets;
    struct slot *slots;
    int epoll_fd;
    struct histogram histogram; /* of the interval */
    uint64_t n_requests;
    uint64_t n_due; /* so many have been due so far */
    uint64_t n_answered;
    uint64_t from_ns;
    uint64_t interval_ends_ns;
};

static void print_help(void)
{
    printf("bench-pace --socket PATH --jwt-file FILE [OPTIONS]\n\n"
           "  --rate R           logins per second (1000)\n"
           "  --seconds S        (1)\n"
           "  --interval S       prints a line each time (1)\n"
           "  --connections N    that are kept (16)\n"
           "  --fds A,B,...      use these connections instead, which are open\n"
           "  --connect          open and close a connection for each login\n");
}

static int parse_options(int argc, char **argv, struct options *options)
{
    enum {
        SOCKET = 1,
        JWT_FILE,
        RATE,
        SECONDS,
        INTERVAL,
        CONNECTIONS,
        FDS,
        CONNECT
    };
    static const struct option table[] = {
        {"socket", required_argument, NULL, SOCKET},
        {"jwt-file", required_argument, NULL, JWT_FILE},
        {"rate", required_argument, NULL, RATE},
        {"seconds", required_argument, NULL, SECONDS},
        {"interval", required_argument, NULL, INTERVAL},
        {"connections", required_argument, NULL, CONNECTIONS},
        {"fds", required_argument, NULL, FDS},
        {"connect", no_argument, NULL, CONNECT},
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
        case RATE:
            options->rate = strtod(optarg, NULL);
            break;
        case SECONDS:
            options->seconds = strtod(optarg, NULL);
            break;
        case INTERVAL:
            options->interval_s = strtod(optarg, NULL);
            break;
        case CONNECTIONS:
            options->connections = strtoul(optarg, NULL, 10);
            break;
        case FDS:
            options->fds = optarg;
            break;
        case CONNECT:
            options->is_connect = true;
            break;
        default:
            return -EINVAL;
        }
    }
    return options->socket && options->jwt_file && options->connections && options->rate > 0 &&
                   options->interval_s > 0 && optind == argc
               ? 0
               : -EINVAL;
}

static uint64_t due_ns(const struct pace *pace, uint64_t number)
{
    return pace->from_ns + (uint64_t)((double)number * SECOND_NS / pace->options.rate);
}

static int watch(struct pace *pace, struct slot *slot)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = slot};

    return epoll_ctl(pace->epoll_fd, EPOLL_CTL_ADD, slot->client.fd, &event) < 0 ? -errno : 0;
}

static int ask(struct pace *pace, struct slot *slot)
{
    const struct ticket *ticket = &pace->tickets.ticket[slot->next % pace->tickets.n];
    bool is_new = pace->options.is_connect;
    int r = is_new ? client_connect(&slot->client, pace->options.socket) : 0;

    slot->due_ns = due_ns(pace, slot->next);
    slot->next += pace->options.connections;
    slot->is_pending = true;
    if (r == 0)
        r = client_ask(&slot->client, ticket, 0);
    return r == 0 && is_new ? watch(pace, slot) : r;
}

/* Sends what is due. Behind a pending request of the same connection, it waits for its turn. */
static int ask_due(struct pace *pace)
{
    uint64_t at_ns = now_ns();
    int r = 0;

    for (; pace->n_due < pace->n_requests && due_ns(pace, pace->n_due) <= at_ns && r == 0;
         pace->n_due++) {
        struct slot *slot = &pace->slots[pace->n_due % pace->options.connections];

        if (slot->is_pending)
            slot->n_behind++;
        else
            r = ask(pace, slot);
    }
    return r;
}

static int on_readable(struct pace *pace, struct slot *slot)
{
    long len = client_read(&slot->client);

    if (len <= 0)
        return (int)len;
    histogram_add(&pace->histogram, now_ns() - slot->due_ns);
    pace->n_answered++;
    slot->is_pending = false;
    if (pace->options.is_connect)
        client_close(&slot->client);
    if (slot->n_behind == 0)
        return 0;
    slot->n_behind--;
    return ask(pace, slot);
}

static void end_interval(struct pace *pace, uint64_t at_ns)
{
    if (pace->histogram.n == 0 ||
        (at_ns < pace->interval_ends_ns && pace->n_answered < pace->n_requests))
        return;
    printf("{\"at_s\": %.3f, \"requests\": %llu, ", (double)(at_ns - pace->from_ns) / 1e9,
           (unsigned long long)pace->histogram.n);
    histogram_print(&pace->histogram);
    printf("}\n");
    fflush(stdout);
    memset(&pace->histogram, 0, sizeof(pace->histogram));
    pace->interval_ends_ns += (uint64_t)(pace->options.interval_s * SECOND_NS);
}

/* Until an answer arrives or the next request is due. */
static struct timespec time_to_wait(const struct pace *pace)
{
    uint64_t at_ns = now_ns(), until_ns = at_ns + SILENCE_MAX_NS;

    if (pace->n_due < pace->n_requests)
        until_ns = due_ns(pace, pace->n_due);
    if (until_ns <= at_ns)
        return (struct timespec){0};
    return (struct timespec){
        .tv_sec = (time_t)((until_ns - at_ns) / SECOND_NS),
        .tv_nsec = (long)((until_ns - at_ns) % SECOND_NS),
    };
}

static int run(struct pace *pace)
{
    struct epoll_event events[EVENTS_PER_WAIT];
    int r = 0;

    while (r == 0 && pace->n_answered < pace->n_requests) {
        struct timespec timeout = time_to_wait(pace);
        int n = epoll_pwait2(pace->epoll_fd, events, EVENTS_PER_WAIT, &timeout, NULL);

        if (n < 0 || (n == 0 && pace->n_due == pace->n_requests)) {
            fprintf(stderr, "%llu requests were not answered\n",
                    (unsigned long long)(pace->n_requests - pace->n_answered));
            return n < 0 ? -errno : -ETIMEDOUT;
        }
        for (int i = 0; i < n && r == 0; i++)
            r = on_readable(pace, events[i].data.ptr);
        if (r == 0)
            r = ask_due(pace);
        end_interval(pace, now_ns());
    }
    return r;
}

/* Connects the slot, or takes the next descriptor of --fds. */
static int connect_slot(struct pace *pace, struct slot *slot)
{
    int r = 0;

    if (pace->options.is_connect)
        return 0;
    if (pace->options.fds)
        slot->client.fd = (int)strtol(strsep(&pace->options.fds, ","), NULL, 10);
    else
        r = client_connect(&slot->client, pace->options.socket);
    return r == 0 ? watch(pace, slot) : r;
}

static void count_fds(struct options *options)
{
    options->connections = 1;
    for (const char *at = options->fds; (at = strchr(at, ',')); at++)
        options->connections++;
}

static int prepare(struct pace *pace)
{
    struct options *options = &pace->options;
    int r = tickets_load(&pace->tickets, options->jwt_file, "pulumi", false);

    if (r < 0)
        return r;
    raise_descriptors();
    prctl(PR_SET_TIMERSLACK, 1);
    if (options->fds)
        count_fds(options);
    pace->slots = calloc(options->connections, sizeof(*pace->slots));
    pace->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!pace->slots || pace->epoll_fd < 0)
        return -ENOMEM;
    for (size_t i = 0; i < options->connections && r == 0; i++) {
        pace->slots[i].next = i;
        r = connect_slot(pace, &pace->slots[i]);
    }
    pace->n_requests = (uint64_t)(options->rate * options->seconds);
    pace->from_ns = now_ns();
    pace->interval_ends_ns = pace->from_ns + (uint64_t)(options->interval_s * SECOND_NS);
    return r;
}

int main(int argc, char **argv)
{
    static struct pace pace = {
        .options = {.connections = 16, .rate = 1000, .seconds = 1, .interval_s = 1},
    };

    if (parse_options(argc, argv, &pace.options) < 0) {
        print_help();
        return 64;
    }
    if (prepare(&pace) < 0 || run(&pace) < 0)
        return 1; /* the reason was printed */
    tickets_done(&pace.tickets);
    free(pace.slots);
    return 0;
}
