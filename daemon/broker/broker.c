/* The map of logins, the store's rows, and what happens every minute. */
#include "broker/broker.h"

#include <string.h>

#include "base/log.h"

#include "broker/flight.h"
#include "broker/memo.h"
#include "broker/misconfigured.h"
#include "broker/purge.h"
#include "broker/stored_keys.h"
#include "broker/write_behind.h"

#define MISSES_RETRY_MS 250
#define REJECT_AGE_S    30 /* or a tenth of the lifetime, if that is less */
#define RELOAD_RETRY_MS 100
#define TICK_USEC       (60 * SECOND_USEC)
#define ROWS_PER_TURN   64

static struct login *login_look_up(struct broker *broker, const struct digest *key)
{
    struct digest_node *node = digest_map_find(&broker->logins, key);

    return node ? container_of(node, struct login, node) : NULL;
}

/* Opens the login's row first if it is not open yet. */
static struct login *login_find(struct broker *broker, const struct digest *key)
{
    struct login *login = login_look_up(broker, key);

    if (login)
        return login;
    store_open_row(broker->store, key);
    return login_look_up(broker, key);
}

/* Frees the oldest idle login if the map is full. Returns false if all are in use. */
static bool make_room(struct broker *broker)
{
    struct list *node = broker->by_age.next;

    if (broker->logins.n < broker->logins_max)
        return true;
    for (; node != &broker->by_age; node = node->next) {
        struct login *login = container_of(node, struct login, age);

        if (login_is_idle(login)) {
            login_free(login);
            return true;
        }
    }
    return false;
}

/*
 * Returns the remaining lifetime that a request can insist on. Nine tenths of the upstream's
 * lifetime are always enough: otherwise a request for more would cost an exchange each time.
 */
static uint64_t needed_usec(const struct token *token, uint32_t min_ttl_s)
{
    uint64_t most = token_lifetime_usec(token) / 10 * 9;

    return min_ttl_s * SECOND_USEC < most ? min_ttl_s * SECOND_USEC : most;
}

const struct token *broker_find(struct broker *broker, struct identity *identity,
                                const struct service *service, uint32_t min_ttl_s, struct now now)
{
    const struct digest *key = memo_cache_key(identity, service);
    struct login *login = key ? login_find(broker, key) : NULL;
    uint64_t left;

    if (!login || !login->token.frame)
        return NULL;
    left = token_left_usec(&login->token, now);
    if (left == 0)
        return NULL;
    login_used(login, identity, service);
    return left >= needed_usec(&login->token, min_ttl_s) ? &login->token : NULL;
}

/* Returns whether @waiter wants another token than the one that is cached, and still valid. */
static bool is_rejection(const struct login *login, const struct broker_waiter *waiter)
{
    return waiter->rejected && login->token.fingerprint == waiter->rejected &&
           token_left_usec(&login->token, clock_now()) > 0;
}

/*
 * An upstream that rejects each of its tokens, or a program that takes another error for a
 * rejection, must not cost an exchange each time.
 */
static bool may_replace(const struct login *login, struct refusal *ret_refusal)
{
    const struct token *token = &login->token;
    int64_t age_s = clock_now().wall_s - token->created_s;
    int64_t tenth_s = (token->expires_s - token->created_s) / 10;
    int64_t least_s = tenth_s < REJECT_AGE_S ? tenth_s : REJECT_AGE_S;

    if (age_s >= least_s)
        return true;
    refusal_set(ret_refusal, PODLOGIN_BUSY,
                "the rejected token is new; it is not replaced before it is %d s old",
                (int)least_s);
    ret_refusal->retry_after_ms = (uint32_t)(least_s - (age_s > 0 ? age_s : 0)) * 1000;
    return false;
}

static void log_rejection(const struct broker_waiter *waiter, const struct token *token)
{
    log_notice(
        "service %s, %s: a client says that the upstream rejects the token %016llx; replacing it",
        waiter->service->name, waiter->identity->claims.subject,
        (unsigned long long)token->fingerprint);
}

/* Begins an exchange for @waiter. Returns false, with the reason in @ret_refusal, if it cannot. */
static bool begin(struct login *login, const struct broker_waiter *waiter,
                  struct refusal *ret_refusal)
{
    bool replaces = is_rejection(login, waiter);

    if (replaces && !may_replace(login, ret_refusal))
        return false;
    if (!flight_begin(login, waiter->identity, waiter->service, ret_refusal))
        return false;
    if (replaces)
        log_rejection(waiter, &login->token);
    return true;
}

bool broker_join(struct broker *broker, struct broker_waiter *waiter, struct refusal *ret_refusal)
{
    const struct digest *key = memo_cache_key(waiter->identity, waiter->service);
    struct login *login = key ? login_find(broker, key) : NULL;

    refusal_set_status(ret_refusal, PODLOGIN_INTERNAL);
    if (!key)
        return false;
    if (waiter->may_only_join && !(login && login->flight)) {
        refusal_set(ret_refusal, PODLOGIN_TOO_MANY, "the pod has too many exchanges under way");
        ret_refusal->retry_after_ms = MISSES_RETRY_MS;
        return false;
    }
    if (!login && !make_room(broker)) {
        refusal_set_status(ret_refusal, PODLOGIN_TOO_MANY);
        return false;
    }
    if (!login)
        login = login_new(broker, key);
    if (!login)
        return false;
    waiter->is_leader = !login->flight;
    if (!login->flight && !begin(login, waiter, ret_refusal))
        return false;
    waiter_wait(&waiter->waiter, &login->waiters);
    login_used(login, waiter->identity, waiter->service);
    return true;
}

uint64_t broker_watch(struct broker *broker, struct broker_waiter *waiter, uint32_t min_ttl_s,
                      struct now now)
{
    struct login *login = login_look_up(broker, memo_cache_key(waiter->identity, waiter->service));
    uint64_t left = token_left_usec(&login->token, now);
    uint64_t needed = needed_usec(&login->token, min_ttl_s);

    waiter_wait(&waiter->waiter, &login->watchers);
    return left > needed ? left - needed : 0; /* time has gone on since broker_find() */
}

/* Starts one write; each write that succeeds starts the next. */
static void write_dirty(struct broker *broker)
{
    if (!list_is_empty(&broker->dirty))
        login_write(container_of(broker->dirty.next, struct login, dirty));
}

static void on_tick(struct timer *timer)
{
    struct broker *broker = container_of(timer, struct broker, tick);
    struct list *node = broker->by_age.next;
    struct now now = clock_now();

    while (node != &broker->by_age) {
        struct login *login = container_of(node, struct login, age);

        node = node->next;
        if (login_is_idle(login) && token_left_usec(&login->token, now) == 0)
            login_free(login);
        else
            login_drop_expired(login, now);
    }
    store_tick(broker->store);
    write_dirty(broker);
    loop_timer(broker->loop, &broker->tick, TICK_USEC, on_tick);
}

/* After a change of the key, a login can have two rows: the one that expires later counts. */
static void on_row(void *data, const struct digest *key, struct record *record, bool is_outdated)
{
    struct broker *broker = data;
    struct login *login = login_look_up(broker, key);
    struct token token;

    if (stored_keys_take(broker, key, record) || token_from_record(record, &token) < 0)
        return;
    if (login && login->token.expires_s >= token.expires_s) {
        token_done(&token);
        return;
    }
    if (!login && make_room(broker))
        login = login_new(broker, key);
    if (!login) {
        token_done(&token);
        return;
    }
    login_take_over(login, &token);
    login_was_renewed(login);
    if (is_outdated)
        login_mark_dirty(login);
}

/* In small batches, so that requests that come already are not held up. */
static void on_open_rows(struct timer *timer)
{
    struct broker *broker = container_of(timer, struct broker, opening);

    if (store_open_rows(broker->store, ROWS_PER_TURN))
        loop_timer(broker->loop, timer, 0, on_open_rows);
    else
        write_dirty(broker);
}

static void on_empty(void *data)
{
    struct broker *broker = data;

    for (struct list *node = broker->by_age.next; node != &broker->by_age; node = node->next) {
        struct login *login = container_of(node, struct login, age);

        if (login->token.frame)
            login_mark_dirty(login);
    }
    write_dirty(broker);
}

int broker_init(struct broker *broker, struct loop *loop,
                struct exchanger_client *const *exchangers, struct identities *identities,
                const struct config *config, char ret_error[STORE_ERROR_MAX])
{
    const struct store_settings settings = {
        .path = config->cache,
        .key = config->cache_key,
        .is_key_beside_allowed = config->is_key_beside_allowed,
        .socket_path = config->socket,
        .rows_max = config->cache_rows,
        .events = {.data = broker, .on_row = on_row, .on_empty = on_empty},
    };
    int r;

    *broker = (struct broker){.loop = loop,
                              .exchangers = exchangers,
                              .identities = identities,
                              .logins_max = config->cache_rows};
    list_init(&broker->by_age);
    list_init(&broker->upstreams);
    list_init(&broker->dirty);
    list_init(&broker->misconfigured);
    list_init(&broker->writes);
    list_init(&broker->purges);
    r = store_open(&settings, loop, &broker->store, ret_error);
    if (r < 0)
        return r;
    stored_keys_begin(broker);
    loop_timer(loop, &broker->opening, 0, on_open_rows);
    loop_timer(loop, &broker->tick, TICK_USEC, on_tick);
    return 0;
}

void broker_clock_was_set(struct broker *broker)
{
    struct now now = clock_now();

    for (struct list *node = broker->by_age.next; node != &broker->by_age; node = node->next)
        login_clock_was_set(container_of(node, struct login, age), now);
    write_dirty(broker);
}

/* Identities that are not remembered keep their refusals, which last for at most a minute. */
static void forget_refusals(struct identities *identities)
{
    for (struct list *node = identities->by_age.next; node != &identities->by_age;
         node = node->next)
        memo_forget_refusals(container_of(node, struct identity, age));
}

void broker_reload(struct broker *broker, const struct config *config)
{
    struct broker_answer answer = {.token = NULL};
    struct list *node = broker->by_age.next;

    refusal_set(&answer.refusal, PODLOGIN_BUSY,
                "the service's configuration has changed; try again");
    answer.refusal.retry_after_ms = RELOAD_RETRY_MS;
    forget_refusals(broker->identities);
    while (node != &broker->by_age) {
        struct login *login = container_of(node, struct login, age);

        node = node->next;
        if (!login_reload(login, config)) {
            waiters_wake(&login->waiters, &answer);
            waiters_wake(&login->watchers, &answer);
            login_free(login);
        }
    }
    /* cancelled exchanges have made room */
    for (node = broker->upstreams.next; node != &broker->upstreams; node = node->next)
        upstream_turn(container_of(node, struct upstream, node));
    misconfigured_clear(&broker->misconfigured);
    upstreams_forget(&broker->upstreams);
}

/* The sessions are gone by now, so no request waits. */
void broker_done(struct broker *broker)
{
    struct list *node;

    if (!broker->by_age.next)
        return; /* broker_init() was not called */
    broker->identities->fetched = (struct issuer_listener){0};
    timer_unset(&broker->tick);
    timer_unset(&broker->opening);
    while (!list_is_empty(&broker->by_age))
        login_free(container_of(broker->by_age.next, struct login, age));
    store_close(broker->store);
    purges_done(broker);
    while ((node = list_take(&broker->writes)))
        free(container_of(node, struct write_behind, node));
    misconfigured_clear(&broker->misconfigured);
    upstreams_done(&broker->upstreams);
    digest_map_done(&broker->logins);
}
