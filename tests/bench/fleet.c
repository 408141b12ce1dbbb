/*
 * A fleet in one process: the real broker, circuit breaker and refresh of thousands of nodes under
 * one simulated clock, and an upstream that works, is down, refuses or is slow. fleet.py runs it
 * and draws the result.
 *
 *   bench-fleet SCENARIO [--nodes N] [--identities M] [--lifetime SECONDS] [--seed S]
 *               [--capacity N] [--retry-after SECONDS] [--queue] [--spread SECONDS]
 *
 * --capacity: exchanges per second that the upstream takes; it answers more with 429 (and, with
 * --retry-after, that delay), or with --queue lets them wait in a queue. --spread: in a boot, the
 * time within which the first jobs ask.
 * Prints one JSON object: figures, and exchanges per second in a series of ten-second means.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "protocol/messages.h"
#include "support/sim.h"

#define MINUTE          (60 * SECOND_USEC)
#define ASK_EVERY_USEC  (2 * MINUTE) /* for each account, on average: a job starts */
#define DEADLINE_USEC   (10 * SECOND_USEC)
#define SERIES_S        10
#define SECONDS_MAX     (8 * 3600)
#define ROLLOUT_USEC    (10 * MINUTE)
#define DAEMON_DOWN_MAX (2 * SECOND_USEC)
#define EXCHANGE_USEC   (8 * SECOND_USEC) /* the exchanger gives up an exchange */

/* A service account on one node, whose jobs request its token repeatedly. */
struct account {
    struct timer timer;
    struct broker_waiter waiter;
    struct node *node;
    struct identity *identity;
    uint64_t asked_usec; /* when it began to wait; 0: it does not wait */
    bool had_token;      /* since the fleet has started */
};

struct node {
    struct timer timer;
    struct broker broker;
    struct sim_disk disk;
    struct account *accounts;
    bool is_up;
};

static struct {
    unsigned nodes, identities, lifetime_s, spread_s;
    unsigned capacity; /* exchanges per second; 0: no limit */
    unsigned retry_after_s;
    bool is_queue;
    uint64_t seed;
    const char *scenario;
} options = {.nodes = 10000, .identities = 20, .lifetime_s = 7200, .spread_s = 30, .seed = 1};

static struct node *nodes;
static struct config *config;
static struct identities identities;
static uint64_t begun_usec;

/* What the upstream does, and what it counts. */
static uint32_t arrivals[SECONDS_MAX];
static uint64_t down_from_usec = UINT64_MAX, down_until_usec;
static uint64_t queue_until_usec; /* when it has done what waits in its queue */

/* What the jobs count. */
static uint64_t n_asked, n_hits, n_waited, n_failed, n_deadlines;
static uint64_t longest_wait_usec;

/* The last job that waited for its account's first token, or since before the end of an outage. */
static uint64_t n_missing, last_usec, exchanges_until_last;

static size_t second(void)
{
    size_t s = (size_t)((sim_now_usec - begun_usec) / SECOND_USEC);

    return s < SECONDS_MAX ? s : SECONDS_MAX - 1;
}

static struct sim_reply upstream(void)
{
    uint32_t n = ++arrivals[second()];
    uint64_t latency_usec = 100000 + random_below(100000);

    if (sim_now_usec >= down_from_usec && sim_now_usec < down_until_usec)
        return (struct sim_reply){.outcome = OUTCOME_UNAVAILABLE, .latency_usec = latency_usec};
    if (options.is_queue) {
        if (queue_until_usec < sim_now_usec)
            queue_until_usec = sim_now_usec;
        queue_until_usec += SECOND_USEC / options.capacity;
        latency_usec += queue_until_usec - sim_now_usec;
        /* it does the work, although nobody waits for the answer any more */
        if (latency_usec > EXCHANGE_USEC)
            return (struct sim_reply){.outcome = OUTCOME_UNAVAILABLE,
                                      .latency_usec = EXCHANGE_USEC};
    } else if (options.capacity && n > options.capacity) {
        return (struct sim_reply){.outcome = OUTCOME_THROTTLED,
                                  .latency_usec = latency_usec,
                                  .retry_after_ms = options.retry_after_s * 1000};
    }
    return (struct sim_reply){
        .outcome = OUTCOME_OK, .latency_usec = latency_usec, .expires_in_s = options.lifetime_s};
}

static void on_ask(struct timer *timer);

static void ask_again(struct account *account, uint64_t usec)
{
    loop_timer(&sim_loop, &account->timer, usec, on_ask);
}

static void next_job(struct account *account)
{
    if (!account->had_token || account->asked_usec < down_until_usec) {
        n_missing -= !account->had_token;
        account->had_token = true;
        last_usec = sim_now_usec;
        exchanges_until_last = sim_n_exchanges;
    }
    account->asked_usec = 0;
    ask_again(account, ASK_EVERY_USEC / 2 + random_below(ASK_EVERY_USEC));
}

static void job_failed(struct account *account, const struct refusal *refusal)
{
    /* the job tries again after the advised delay, and a little later */
    n_failed++;
    ask_again(account, refusal->retry_after_ms * UINT64_C(1000) + random_below(2 * SECOND_USEC));
}

static void on_wake(struct waiter *waiter, const void *news)
{
    struct account *account = container_of(waiter, struct account, waiter.waiter);
    const struct broker_answer *answer = news;
    uint64_t waited_usec = sim_now_usec - account->asked_usec;

    if (waited_usec > longest_wait_usec)
        longest_wait_usec = waited_usec;
    if (answer->token)
        next_job(account);
    else
        job_failed(account, &answer->refusal);
}

static void on_deadline(struct timer *timer)
{
    struct account *account = container_of(timer, struct account, timer);

    waiter_leave(&account->waiter.waiter);
    n_deadlines++;
    ask_again(account, SECOND_USEC + random_below(2 * SECOND_USEC));
}

static void on_ask(struct timer *timer)
{
    struct account *account = container_of(timer, struct account, timer);
    struct refusal refusal;

    if (!account->node->is_up) {
        ask_again(account, random_below(SECOND_USEC)); /* the client waits for the daemon */
        return;
    }
    n_asked++;
    if (!account->asked_usec)
        account->asked_usec = sim_now_usec;
    if (broker_find(&account->node->broker, account->identity, &config->services[0], 0,
                    clock_now())) {
        n_hits++;
        if (sim_now_usec - account->asked_usec > longest_wait_usec)
            longest_wait_usec = sim_now_usec - account->asked_usec;
        next_job(account);
        return;
    }
    account->waiter =
        (struct broker_waiter){.identity = account->identity, .service = &config->services[0]};
    waiter_init(&account->waiter.waiter, on_wake);
    n_waited++;
    timer_unset(timer);
    if (broker_join(&account->node->broker, &account->waiter, &refusal))
        loop_timer(&sim_loop, timer, DEADLINE_USEC, on_deadline);
    else
        job_failed(account, &refusal);
}

static void node_start(struct node *node)
{
    sim_broker_init(&node->broker, &identities, config, &node->disk);
    node->is_up = true;
}

static void node_stop(struct node *node)
{
    for (unsigned i = 0; i < options.identities; i++) {
        struct account *account = &node->accounts[i];

        if (account->waiter.waiter.node.next && waiter_is_waiting(&account->waiter.waiter)) {
            waiter_leave(&account->waiter.waiter);
            ask_again(account, random_below(SECOND_USEC));
        }
    }
    broker_done(&node->broker);
    node->is_up = false;
}

static void on_restarted(struct timer *timer)
{
    node_start(container_of(timer, struct node, timer));
}

static void on_restart(struct timer *timer)
{
    struct node *node = container_of(timer, struct node, timer);

    node_stop(node);
    loop_timer(&sim_loop, timer, random_below(DAEMON_DOWN_MAX), on_restarted);
}

/* Starts jobs within spread_usec. */
static void fleet_start(uint64_t spread_usec)
{
    nodes = calloc(options.nodes, sizeof(*nodes));
    n_missing = (uint64_t)options.nodes * options.identities;
    for (unsigned i = 0; i < options.nodes; i++) {
        struct node *node = &nodes[i];

        sim_disk_init(&node->disk);
        node_start(node);
        node->accounts = calloc(options.identities, sizeof(*node->accounts));
        for (unsigned j = 0; j < options.identities; j++) {
            struct account *account = &node->accounts[j];
            char name[32];

            snprintf(name, sizeof(name), "account-%u", j);
            account->node = node;
            account->identity = sim_identity(name, 23 * 3600);
            ask_again(account, random_below(spread_usec));
        }
    }
}

static void counts_reset(void)
{
    begun_usec = sim_now_usec;
    memset(arrivals, 0, sizeof(arrivals));
    n_asked = n_hits = n_waited = n_failed = n_deadlines = 0;
    longest_wait_usec = 0;
    sim_n_exchanges = last_usec = exchanges_until_last = 0;
}

static uint32_t peak(size_t from_s, size_t until_s)
{
    uint32_t most = 0;

    for (size_t s = from_s; s < until_s && s < SECONDS_MAX; s++)
        if (arrivals[s] > most)
            most = arrivals[s];
    return most;
}

static void print_result(uint64_t usec)
{
    size_t n_seconds = (size_t)(usec / SECOND_USEC);
    /* a token is used for its lifetime minus the margin, so this is the minimum of exchanges */
    double margin_s = options.lifetime_s / 10 < 5 ? options.lifetime_s / 10.0 : 5;
    uint64_t last_from_usec = down_until_usec ? down_until_usec : begun_usec;
    double least = options.nodes * (double)options.identities * (double)n_seconds /
                   (options.lifetime_s - margin_s);

    printf("{\"scenario\":\"%s\",\"nodes\":%u,\"identities\":%u,\"lifetime_s\":%u,\"seconds\":%zu,"
           "\"asked\":%llu,\"hits\":%llu,\"waited\":%llu,\"failed\":%llu,\"deadlines\":%llu,"
           "\"longest_wait_s\":%.1f,\"exchanges\":%llu,\"to_least\":%.3f,\"peak\":%u,"
           "\"missing\":%llu,\"last_s\":%.1f,\"exchanges_until_last\":%llu,\"peak_up\":%u,"
           "\"series_s\":%d,\"series\":[",
           options.scenario, options.nodes, options.identities, options.lifetime_s, n_seconds,
           (unsigned long long)n_asked, (unsigned long long)n_hits, (unsigned long long)n_waited,
           (unsigned long long)n_failed, (unsigned long long)n_deadlines,
           (double)longest_wait_usec / 1e6, (unsigned long long)sim_n_exchanges,
           (double)sim_n_exchanges / least, peak(0, n_seconds), (unsigned long long)n_missing,
           (double)(last_usec - last_from_usec) / 1e6, (unsigned long long)exchanges_until_last,
           peak((size_t)((last_from_usec - begun_usec) / SECOND_USEC), n_seconds), SERIES_S);
    for (size_t s = 0; s + SERIES_S <= n_seconds; s += SERIES_S) {
        double sum = 0;

        for (size_t i = 0; i < SERIES_S; i++)
            sum += arrivals[s + i];
        printf("%s%.1f", s ? "," : "", sum / SERIES_S);
    }
    printf("]}\n");
}

/* Reaches steady use: two and a half lifetimes after a start that was spread over one. */
static void warm_up(void)
{
    fleet_start(options.lifetime_s * SECOND_USEC);
    sim_run_for(options.lifetime_s * SECOND_USEC / 2 * 5);
    counts_reset();
}

static void steady(void)
{
    warm_up();
    sim_run_for(120 * MINUTE);
    print_result(120 * MINUTE);
}

/* Ten normal minutes, twenty without an upstream, and an hour and a half afterwards. */
static void outage(void)
{
    warm_up();
    down_from_usec = sim_now_usec + 10 * MINUTE;
    down_until_usec = sim_now_usec + 30 * MINUTE;
    sim_run_for(120 * MINUTE);
    print_result(120 * MINUTE);
}

/* Each daemon is replaced once within ten minutes; its rows stay. */
static void rollout(void)
{
    warm_up();
    for (unsigned i = 0; i < options.nodes; i++)
        loop_timer(&sim_loop, &nodes[i].timer, 10 * MINUTE + random_below(ROLLOUT_USEC),
                   on_restart);
    sim_run_for(40 * MINUTE);
    print_result(40 * MINUTE);
}

/*
 * After a power failure: all nodes start at the same time, with empty disks. Ends when each account
 * has had a token, or after two hours.
 */
static void boot(void)
{
    uint64_t end_usec = sim_now_usec + 120 * MINUTE;

    counts_reset();
    fleet_start(options.spread_s * SECOND_USEC);
    while (n_missing && sim_now_usec < end_usec)
        sim_run_for(SERIES_S * SECOND_USEC);
    print_result(sim_now_usec - begun_usec);
}

static const struct scenario {
    const char *name;
    void (*run)(void);
} scenarios[] = {
    {"steady", steady},
    {"outage", outage},
    {"rollout", rollout},
    {"boot", boot},
};

static void usage(void)
{
    fprintf(stderr, "bench-fleet SCENARIO [--nodes N] [--identities M] [--lifetime SECONDS] "
                    "[--seed S]\n            [--capacity N] [--retry-after SECONDS] [--queue] "
                    "[--spread SECONDS]\n");
    exit(64);
}

static unsigned number(const char *text)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    if (!*text || *end || n == 0 || n > 1000000)
        usage();
    return (unsigned)n;
}

int main(int argc, char **argv)
{
    static const struct option table[] = {
        {"nodes", required_argument, NULL, 'n'},
        {"identities", required_argument, NULL, 'i'},
        {"lifetime", required_argument, NULL, 'l'},
        {"seed", required_argument, NULL, 's'},
        {"capacity", required_argument, NULL, 'c'},
        {"retry-after", required_argument, NULL, 'r'},
        {"queue", no_argument, NULL, 'q'},
        {"spread", required_argument, NULL, 'p'},
        {0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
        switch (option) {
        case 'n':
            options.nodes = number(optarg);
            break;
        case 'i':
            options.identities = number(optarg);
            break;
        case 'l':
            options.lifetime_s = number(optarg);
            break;
        case 's':
            options.seed = number(optarg);
            break;
        case 'c':
            options.capacity = number(optarg);
            break;
        case 'r':
            options.retry_after_s = number(optarg);
            break;
        case 'q':
            options.is_queue = true;
            break;
        case 'p':
            options.spread_s = number(optarg);
            break;
        default:
            usage();
        }
    }
    if (optind != argc - 1 || (options.is_queue && !options.capacity))
        usage();
    options.scenario = argv[optind];
    log_init("bench-fleet", -1);
    sim_init(options.seed);
    sim_upstream = upstream;
    config = sim_config(1);
    list_init(&identities.by_age);
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
        if (strcmp(scenarios[i].name, options.scenario) == 0) {
            scenarios[i].run();
            return EXIT_SUCCESS;
        }
    }
    usage();
}
