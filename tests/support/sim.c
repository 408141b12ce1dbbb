#include "support/sim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct loop sim_loop;
uint64_t sim_now_usec;
int64_t sim_wall_offset_s;
uint64_t sim_n_exchanges;
unsigned sim_n_in_flight;
bool sim_admits;
const struct service *sim_refuses;
bool sim_hold_disk;
struct sim_reply (*sim_upstream)(void);
const struct job_exchange *sim_exchange;
struct sim_reply sim_reply_to_others;

static uint64_t random_state;
static struct sim_disk *disk_to_open;
static struct list written;

/* --- base/clock.c --- */

uint64_t clock_boot_usec(void)
{
    return sim_now_usec;
}

int64_t clock_wall_usec(void)
{
    return (int64_t)sim_now_usec + sim_wall_offset_s * (int64_t)SECOND_USEC;
}

struct now clock_now(void)
{
    return (struct now){.wall_s = clock_wall_usec() / (int64_t)SECOND_USEC,
                        .boot_usec = sim_now_usec};
}

/* splitmix64 */
uint64_t random_below(uint64_t below)
{
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    return below ? z % below : 0;
}

/* --- exchange/exchanger_client.c --- */

struct exchange {
    struct timer timer;
    struct job *job;
    struct sim_reply reply;
};

static void on_answered(struct timer *timer)
{
    struct exchange *exchange = container_of(timer, struct exchange, timer);
    struct job *job = exchange->job;
    struct sim_reply reply = exchange->reply;
    const char *token = reply.token[0] ? reply.token : "pul-simulated";
    const struct job_result result = {
        .outcome = reply.outcome,
        .detail = wire_string(reply.outcome == OUTCOME_OK ? NULL : "simulated"),
        .retry_after_ms = reply.retry_after_ms,
        .token = wire_string(reply.outcome == OUTCOME_OK ? token : NULL),
        .token_type = wire_string("token"),
        .variable = wire_string("PULUMI_ACCESS_TOKEN"),
        .expires_in_s = reply.expires_in_s,
    };

    free(exchange);
    sim_n_in_flight--;
    if (!job)
        return;
    job->frame = NULL;
    job->state = JOB_IDLE;
    job->on_done(job, &result);
}

/* The job's frame holds the pointer to the exchange; the job has no other field for it. */
int exchanger_client_submit(struct exchanger_client *exchanger, struct job *job,
                            const struct wire_message *message, const void *values,
                            job_done on_done)
{
    struct exchange *exchange = calloc(1, sizeof(*exchange));

    (void)exchanger;
    if (!exchange)
        return -ENOMEM;
    sim_n_in_flight++;
    exchange->job = job;
    exchange->reply = sim_reply_to_others;
    if (message == &job_exchange) {
        sim_n_exchanges++;
        sim_exchange = values;
        exchange->reply = sim_upstream();
        sim_exchange = NULL;
    }
    job->frame = (void *)exchange;
    job->state = JOB_SENT;
    job->on_done = on_done;
    loop_timer(&sim_loop, &exchange->timer, exchange->reply.latency_usec, on_answered);
    return 0;
}

void job_cancel(struct job *job)
{
    ((struct exchange *)(void *)job->frame)->job = NULL;
    job->frame = NULL;
    job->state = JOB_IDLE;
}

/* --- store/store.c --- */

struct store {
    struct sim_disk *disk;
};

struct row {
    struct list node;
    struct digest key;
    struct record record;
};

void sim_disk_init(struct sim_disk *disk)
{
    *disk = (struct sim_disk){.mode = SIM_DISK_WORKS};
    list_init(&disk->rows);
}

static void row_free(struct sim_disk *disk, struct row *row)
{
    list_remove(&row->node);
    disk->n_rows--;
    secret_free(row->record.bytes);
    free(row);
}

void sim_disk_done(struct sim_disk *disk)
{
    while (!list_is_empty(&disk->rows))
        row_free(disk, container_of(disk->rows.next, struct row, node));
}

static struct row *row_find(struct sim_disk *disk, const struct digest *key)
{
    for (struct list *node = disk->rows.next; node != &disk->rows; node = node->next)
        if (memcmp(&container_of(node, struct row, node)->key, key, sizeof(*key)) == 0)
            return container_of(node, struct row, node);
    return NULL;
}

int store_open(const struct store_settings *settings, struct loop *loop, struct store **ret_store,
               char ret_error[STORE_ERROR_MAX])
{
    struct store *store = calloc(1, sizeof(*store));

    (void)loop;
    (void)ret_error;
    if (!store)
        return -ENOMEM;
    store->disk = disk_to_open;
    *ret_store = store;
    for (struct list *node = store->disk->rows.next; node != &store->disk->rows;
         node = node->next) {
        struct row *row = container_of(node, struct row, node);
        struct record record = row->record;

        record.bytes = secret_new(record.bytes->bytes, record.bytes->len);
        settings->events.on_row(settings->events.data, &row->key, &record, false);
    }
    return 0;
}

struct store *store_close(struct store *store)
{
    free(store);
    return NULL;
}

int store_put(struct store *store, struct store_write *write, const struct digest *key,
              const struct record *record)
{
    struct row *row;

    write->result = store->disk->mode == SIM_DISK_FAILS ? -EIO : 0;
    if (store->disk->mode == SIM_DISK_HANGS)
        return 0;
    list_append(&written, &write->node);
    if (write->result < 0)
        return 0;
    row = row_find(store->disk, key);
    if (row)
        row_free(store->disk, row);
    row = calloc(1, sizeof(*row));
    if (!row)
        return -ENOMEM;
    row->key = *key;
    row->record = *record;
    row->record.bytes = secret_new(record->bytes->bytes, record->bytes->len);
    list_append(&store->disk->rows, &row->node);
    store->disk->n_rows++;
    return 0;
}

void store_open_row(struct store *store, const struct digest *key)
{
    (void)store;
    (void)key;
}

bool store_open_rows(struct store *store, size_t n)
{
    (void)store;
    (void)n;
    return false;
}

int store_delete(struct store *store, struct store_write *deletion, const struct digest *keys,
                 size_t n, bool all_others)
{
    (void)store;
    (void)deletion;
    (void)keys;
    (void)n;
    (void)all_others;
    return -ENODEV; /* no simulation purges */
}

void store_tick(struct store *store)
{
    (void)store;
}

/* --- running --- */

void sim_init(uint64_t seed)
{
    sim_loop = (struct loop){.epoll_fd = -1};
    sim_now_usec = 1000 * SECOND_USEC;
    sim_wall_offset_s = SIM_EPOCH_S;
    sim_n_exchanges = 0;
    sim_n_in_flight = 0;
    sim_admits = true;
    sim_refuses = NULL;
    sim_hold_disk = false;
    sim_reply_to_others = (struct sim_reply){.outcome = OUTCOME_UNAVAILABLE};
    random_state = seed;
    list_init(&written);
}

static void tell_written(void)
{
    struct list *node;

    while (!sim_hold_disk && (node = list_take(&written))) {
        struct store_write *write = container_of(node, struct store_write, node);

        write->on_done(write, write->result);
    }
}

void sim_run_until(uint64_t usec)
{
    tell_written();
    while (sim_loop.timers.first && sim_loop.timers.first->at_usec <= usec) {
        if (sim_loop.timers.first->at_usec > sim_now_usec)
            sim_now_usec = sim_loop.timers.first->at_usec;
        timers_run(&sim_loop.timers, sim_now_usec);
        tell_written();
    }
    sim_now_usec = usec;
}

void sim_run_for(uint64_t usec)
{
    sim_run_until(sim_now_usec + usec);
}

static void service_fill(const struct config *config, struct service *service, size_t i)
{
    const char *parts[] = {"simulated", NULL};

    if (asprintf(&service->name, "service-%zu", i) < 0)
        abort();
    parts[1] = service->name;
    service->config = config;
    service->provider = &provider_pulumi;
    service->provider_settings[0] = strdup("acme");
    service->endpoint = strdup("https://api.pulumi.com");
    service->id = i + 1;
    if (digest_of_strings(parts, 2, &service->digest) < 0)
        abort(); /* all have one upstream: its digest is zero */
}

struct config *sim_config(size_t n_services)
{
    struct config *config = calloc(1, sizeof(*config));

    if (!config)
        abort();
    config->n_refs = 1;
    config->services = calloc(n_services, sizeof(*config->services));
    config->n_services = n_services;
    config->cache_rows = CACHE_ROWS_DEFAULT;
    for (size_t i = 0; i < n_services; i++)
        service_fill(config, &config->services[i], i);
    return config;
}

static struct exchanger_client *const no_exchangers[EXCHANGERS];

void sim_broker_init(struct broker *broker, struct identities *identities,
                     const struct config *config, struct sim_disk *disk)
{
    char error[STORE_ERROR_MAX];

    disk_to_open = disk;
    if (broker_init(broker, &sim_loop, no_exchangers, identities, config, error) < 0)
        abort();
}

struct identity *sim_identity(const char *name, uint32_t lifetime_s)
{
    struct identity *identity = calloc(1, sizeof(*identity));
    struct now now = clock_now();
    static uint64_t n;
    char text[256];

    if (!identity)
        abort();
    n++;
    identity->n_refs = 1;
    identity->jwt = secret_new(&n, sizeof(n));
    list_init(&identity->age);
    if (digest_of(&n, sizeof(n), &identity->digest) < 0)
        abort();
    snprintf(text, sizeof(text), "{\"sub\":\"%s\"}", name);
    identity->payload = json_value_read(text, strlen(text));
    name = json_value_string(json_value_member(identity->payload, "sub"));
    identity->claims = (struct claims){
        .issuer = "https://issuer.example",
        .subject = name,
        .audiences = {"urn:pulumi:org:acme"},
        .n_audiences = 1,
        .issued_at_s = now.wall_s,
        .expires_at_s = now.wall_s + lifetime_s,
        .namespace = "ci",
        .serviceaccount = name,
        .serviceaccount_uid = name,
    };
    identity->expires_boot_usec = now.boot_usec + lifetime_s * SECOND_USEC;
    return identity;
}
