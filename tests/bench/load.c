/*
 * Load for the daemon or the floor: K connections, each with one pending request, in one epoll
 * loop. Prints the result as JSON. Exits with 1 as soon as an answer is not a token.
 */
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/cleanup.h"
#include "bench/client.h"
#include "bench/histogram.h"

#define SILENCE_MAX_MS  30000 /* a longer time without any answer is a failure */
#define EVENTS_PER_WAIT 256

struct options {
    const char *socket;
    const char *jwt_file;
    const char *service;
    size_t connections;
    size_t idle;
    uint64_t requests; /* 0: as many as possible in seconds */
    double seconds;
    double warmup_s;
    bool is_connect; /* a new connection for each request */
    bool is_last;    /* and the request says so */
    bool is_login;   /* LOGIN before each request of a connection */
    int cpu;         /* -1: any */
};

struct load {
    struct options options;
    struct tickets tickets;
    struct client *clients;
    struct client *idle;
    int epoll_fd;
    struct histogram histogram;
    size_t n_under_way;
    uint64_t n_asked;
    uint64_t from_ns; /* requests that begin earlier are warm-up */
    uint64_t until_ns;
    size_t answer_bytes;
};

static void print_help(void)
{
    printf("bench-load --socket PATH --jwt-file FILE [OPTIONS]\n\n"
           "  --service NAME     (pulumi)\n"
           "  --connections K    each with one pending request (1)\n"
           "  --mode MODE        persistent: LOGIN once, then GETs; login: LOGIN before each GET;\n"
           "                     connect: a connection for each; last: the same, and the server\n"
           "                     closes it. All but persistent use the JWTs of the file in turn\n"
           "                     (persistent)\n"
           "  --seconds S        (1)\n"
           "  --requests N       the number of requests instead, without warm-up\n"
           "  --warmup S         not counted (0.1)\n"
           "  --idle N           further connections that are held open (0)\n"
           "  --cpu N            run on this CPU only\n");
}

static int parse_options(int argc, char **argv, struct options *options)
{
    enum {
        SOCKET = 1,
        JWT_FILE,
        SERVICE,
        CONNECTIONS,
        MODE,
        SECONDS,
        REQUESTS,
        WARMUP,
        IDLE,
        CPU,
        HELP
    };
    static const struct option table[] = {
        {"socket", required_argument, NULL, SOCKET},
        {"jwt-file", required_argument, NULL, JWT_FILE},
        {"service", required_argument, NULL, SERVICE},
        {"connections", required_argument, NULL, CONNECTIONS},
        {"mode", required_argument, NULL, MODE},
        {"seconds", required_argument, NULL, SECONDS},
        {"requests", required_argument, NULL, REQUESTS},
        {"warmup", required_argument, NULL, WARMUP},
        {"idle", required_argument, NULL, IDLE},
        {"cpu", required_argument, NULL, CPU},
        {"help", no_argument, NULL, HELP},
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
        case MODE:
            options->is_login = strcmp(optarg, "login") == 0;
            options->is_last = strcmp(optarg, "last") == 0;
            options->is_connect = options->is_last || strcmp(optarg, "connect") == 0;
            if (!options->is_connect && !options->is_login && strcmp(optarg, "persistent") != 0)
                return -EINVAL;
            break;
        case SECONDS:
            options->seconds = strtod(optarg, NULL);
            break;
        case REQUESTS:
            options->requests = strtoull(optarg, NULL, 10);
            break;
        case WARMUP:
            options->warmup_s = strtod(optarg, NULL);
            break;
        case IDLE:
            options->idle = strtoul(optarg, NULL, 10);
            break;
        case CPU:
            options->cpu = (int)strtol(optarg, NULL, 10);
            break;
        default:
            return -EINVAL;
        }
    }
    return options->socket && options->jwt_file && options->connections && optind == argc ? 0
                                                                                          : -EINVAL;
}

static int pin(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    return sched_setaffinity(0, sizeof(set), &set) < 0 ? -errno : 0;
}

static bool may_ask(const struct load *load, uint64_t at_ns)
{
    return load->options.requests ? load->n_asked < load->options.requests : at_ns < load->until_ns;
}

static int watch(struct load *load, struct client *client)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};

    return epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, client->fd, &event) < 0 ? -errno : 0;
}

/* The first request of a connection, with LOGIN; its time includes connect(). */
static int begin(struct load *load, struct client *client)
{
    uint64_t started_ns = now_ns();
    int r = client_connect(client, load->options.socket);

    if (r == 0)
        r = client_ask(client, &load->tickets.ticket[load->n_asked % load->tickets.n], 0);
    if (r == 0)
        r = watch(load, client);
    client->started_ns = started_ns;
    load->n_asked++;
    load->n_under_way++;
    return r;
}

static int ask_again(struct load *load, struct client *client)
{
    bool is_login = load->options.is_login;
    const struct ticket *ticket =
        &load->tickets.ticket[is_login ? load->n_asked % load->tickets.n : 0];

    if (load->options.is_connect)
        return begin(load, client);
    load->n_asked++;
    load->n_under_way++;
    return client_ask(client, ticket, is_login ? 0 : ticket->get_at);
}

static int on_readable(struct load *load, struct client *client)
{
    long len = client_read(client);
    uint64_t at_ns;

    if (len <= 0)
        return (int)len;
    if (load->options.is_connect)
        client_close(client);
    at_ns = now_ns();
    load->n_under_way--;
    load->answer_bytes = (size_t)len;
    if (client->started_ns >= load->from_ns && at_ns <= load->until_ns)
        histogram_add(&load->histogram, at_ns - client->started_ns);
    return may_ask(load, at_ns) ? ask_again(load, client) : 0;
}

static int run(struct load *load)
{
    struct epoll_event events[EVENTS_PER_WAIT];
    int r = 0;

    for (size_t i = 0; i < load->options.connections && r == 0 && may_ask(load, now_ns()); i++)
        r = begin(load, &load->clients[i]);
    while (r == 0 && load->n_under_way > 0) {
        int n = epoll_wait(load->epoll_fd, events, EVENTS_PER_WAIT, SILENCE_MAX_MS);

        if (n <= 0) {
            fprintf(stderr, "%zu requests were not answered\n", load->n_under_way);
            return n < 0 ? -errno : -ETIMEDOUT;
        }
        for (int i = 0; i < n && r == 0; i++)
            r = on_readable(load, events[i].data.ptr);
    }
    return r;
}

static int prepare(struct load *load)
{
    const struct options *options = &load->options;
    int r = options->cpu >= 0 ? pin(options->cpu) : 0;

    if (r < 0)
        return r;
    raise_descriptors();
    load->clients = calloc(options->connections, sizeof(*load->clients));
    load->idle = calloc(options->idle + 1, sizeof(*load->idle));
    load->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!load->clients || !load->idle || load->epoll_fd < 0)
        return -ENOMEM;
    r = tickets_load(&load->tickets, options->jwt_file, options->service, options->is_last);
    for (size_t i = 0; i < options->idle && r == 0; i++)
        r = client_connect(&load->idle[i], options->socket);
    load->from_ns = now_ns();
    load->until_ns = UINT64_MAX;
    if (!options->requests) {
        load->from_ns += (uint64_t)(options->warmup_s * 1e9);
        load->until_ns = load->from_ns + (uint64_t)(options->seconds * 1e9);
    }
    return r;
}

int main(int argc, char **argv)
{
    static struct load load = {
        .options =
            {
                .service = "pulumi",
                .connections = 1,
                .seconds = 1,
                .warmup_s = 0.1,
                .cpu = -1,
            },
    };
    uint64_t end_ns;
    double seconds;

    if (parse_options(argc, argv, &load.options) < 0) {
        print_help();
        return 64;
    }
    if (prepare(&load) < 0 || run(&load) < 0)
        return 1; /* the reason was printed */
    end_ns = now_ns();
    if (end_ns > load.until_ns)
        end_ns = load.until_ns;
    seconds = (double)(end_ns - load.from_ns) / 1e9;
    printf("{\"requests\": %llu, \"all_requests\": %llu, \"seconds\": %.6f, \"per_s\": %.1f, "
           "\"answer_bytes\": %zu, \"request_bytes\": %zu, ",
           (unsigned long long)load.histogram.n, (unsigned long long)load.n_asked, seconds,
           (double)load.histogram.n / seconds, load.answer_bytes, load.tickets.ticket->len);
    histogram_print(&load.histogram);
    printf("}\n");
    tickets_done(&load.tickets);
    free(load.clients);
    free(load.idle);
    return 0;
}
