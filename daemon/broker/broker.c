#include "broker.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "messages.h"
#include "status.h"

#define SLOW_DISK_USEC   SECOND_USEC
#define PURGE_EVERY_USEC (60 * SECOND_USEC)

static const unsigned login_may_follow[LOGIN_STATES] = {
    /* a bit for each state that may come next */
    [LOGIN_IDLE] = 1u << LOGIN_EXCHANGING,
    [LOGIN_EXCHANGING] = 1u << LOGIN_STORING | 1u << LOGIN_IDLE, /* refused, or not to be stored */
    [LOGIN_STORING] = 1u << LOGIN_IDLE,
};

static void login_move(struct login *login, enum login_state next)
{
    assert(login_may_follow[login->state] & 1u << next);
    login->state = next;
}

static void token_done(struct token *token)
{
    secret_free(token->frame);
    *token = (struct token){0};
}

static void login_free(struct login *login)
{
    digest_map_remove(&login->broker->logins, &login->node);
    list_remove(&login->age);
    token_done(&login->token);
    token_done(&login->fresh);
    timer_unset(&login->slow_disk);
    free(login);
}

/*
 * "Once per service account" is right only if every pod of that account would get the same token,
 * so all that an upstream's answer may depend on is in the key. It is computed once per identity.
 */
static int cache_key(struct identity *identity, const struct service *service,
                     const struct digest **ret_key)
{
    const struct claims *claims = &identity->claims;
    const char *parts[8 + AUDIENCES_MAX];
    char service_hex[2 * DIGEST_SIZE + 1];
    size_t n = 0;

    *ret_key = &identity->cache_key;
    if (identity->keyed_service == service)
        return 0;
    digest_hex(&service->digest, DIGEST_SIZE, service_hex);
    parts[n++] = service_hex;
    parts[n++] = claims->issuer;
    parts[n++] = claims->subject;
    parts[n++] = claims->namespace;
    parts[n++] = claims->serviceaccount;
    parts[n++] = claims->serviceaccount_uid;
    parts[n++] = claims->pod_uid ? "pod" : claims->secret_uid ? "secret" : "none";
    parts[n++] = service->share == SHARE_POD ? claims->pod_uid : NULL;
    for (size_t i = 0; i < claims->n_audiences; i++)
        parts[n++] = claims->audiences[i];
    if (digest_of_strings(parts, n, &identity->cache_key) < 0)
        return -ENOMEM;
    identity->keyed_service = service;
    return 0;
}

static struct login *login_find(struct broker *broker, const struct digest *key)
{
    struct digest_node *node = digest_map_find(&broker->logins, key);

    return node ? container_of(node, struct login, node) : NULL;
}

static bool login_is_idle(const struct login *login)
{
    return login->state == LOGIN_IDLE && list_is_empty(&login->waiters);
}

/* The oldest that nobody waits for makes room; false if all are in use. */
static bool make_room(struct broker *broker)
{
    struct list *node = broker->by_age.next;

    if (broker->logins.n < LOGINS_MAX)
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

static struct login *login_new(struct broker *broker, const struct digest *key)
{
    CLEANUP(freep)
    struct login *login = calloc(1, sizeof(*login));

    if (!login)
        return NULL;
    login->broker = broker;
    login->node.key = *key;
    list_init(&login->waiters);
    if (digest_map_add(&broker->logins, &login->node) < 0)
        return NULL;
    list_append(&broker->by_age, &login->age);
    return TAKE_PTR(login);
}

/*
 * How much lifetime a request can insist on. Nine tenths of what the upstream gives are always
 * enough: a wish for more, or for all of it, would cost an exchange per request.
 */
static int64_t needed_ttl_s(const struct token *token, uint32_t min_ttl_s)
{
    int64_t most_s = (token->expires_s - token->created_s) / 10 * 9;
    int64_t needed_s = min_ttl_s > most_s ? most_s : min_ttl_s;

    return needed_s > TOKEN_MARGIN_S ? needed_s : TOKEN_MARGIN_S;
}

const struct token *broker_find(struct broker *broker, struct identity *identity,
                                const struct service *service, uint32_t min_ttl_s, int64_t now_s)
{
    const struct digest *key;
    struct login *login;

    if (cache_key(identity, service, &key) < 0)
        return NULL;
    login = login_find(broker, key);
    if (!login || !login->token.frame ||
        login->token.expires_s - now_s < needed_ttl_s(&login->token, min_ttl_s))
        return NULL;
    return &login->token;
}

static int settings_list(const struct service *service, struct wire_list *list,
                         char *texts[PROVIDER_SETTINGS_MAX])
{
    for (size_t i = 0; service->provider->settings[i]; i++) {
        if (!service->provider_settings[i])
            continue;
        if (asprintf(&texts[list->n], "%s=%s", service->provider->settings[i],
                     service->provider_settings[i]) < 0)
            return -ENOMEM;
        list->item[list->n] = wire_string(texts[list->n]);
        list->n++;
    }
    return 0;
}

static void on_exchanged(struct job *job, const struct job_result *result);

static const char *setting(const struct service *service, const char *name)
{
    for (size_t i = 0; service->provider->settings[i]; i++)
        if (strcmp(service->provider->settings[i], name) == 0)
            return service->provider_settings[i];
    return NULL;
}

static int login_exchange(struct login *login, struct broker_waiter *leader)
{
    const struct service *service = leader->service;
    const struct secret *jwt = leader->identity->jwt;
    char *texts[PROVIDER_SETTINGS_MAX] = {0};
    struct job_exchange job = {
        .provider = wire_string(service->provider->name),
        .subject_token = wire_bytes(jwt->bytes, jwt->len),
        .ca_file = wire_string(setting(service, "CAFile")),
    };
    int r = settings_list(service, &job.settings, texts);

    if (r == 0)
        r = link_submit(login->broker->link, &login->job, &job_exchange, &job, on_exchanged);
    for (size_t i = 0; i < job.settings.n; i++)
        free(texts[i]);
    if (r < 0)
        return r;
    leader->is_leader = true;
    login->leader = leader->identity->node.key;
    login->asked_s = time(NULL);
    login_move(login, LOGIN_EXCHANGING);
    return 0;
}

enum podlogin_status broker_join(struct broker *broker, struct broker_waiter *waiter)
{
    const struct digest *key;
    struct login *login;

    if (cache_key(waiter->identity, waiter->service, &key) < 0)
        return PODLOGIN_INTERNAL;
    login = login_find(broker, key);
    if (!login) {
        if (!make_room(broker))
            return PODLOGIN_TOO_MANY;
        login = login_new(broker, key);
    }
    if (!login)
        return PODLOGIN_INTERNAL;
    waiter->is_leader = false;
    if (login->state == LOGIN_IDLE && login_exchange(login, waiter) < 0)
        return PODLOGIN_INTERNAL;
    list_append(&login->waiters, &waiter->node);
    return PODLOGIN_OK;
}

void broker_leave(struct broker_waiter *waiter)
{
    list_remove(&waiter->node);
}

static void answer_all(struct list *waiters, const struct broker_answer *answer)
{
    struct broker_answer own = *answer;
    struct list *node;

    while ((node = list_take(waiters))) {
        struct broker_waiter *waiter = container_of(node, struct broker_waiter, node);

        own.source = waiter->is_leader ? TOKEN_SOURCE_EXCHANGE : TOKEN_SOURCE_JOINED;
        waiter->on_answer(waiter, &own);
    }
}

/* A callback may free its waiter or begin another; those who came before this answer get it. */
static void login_answer(struct login *login, const struct broker_answer *answer)
{
    struct list waiters;

    list_init(&waiters);
    list_move(&waiters, &login->waiters);
    answer_all(&waiters, answer);
}

static enum podlogin_status status_of(enum outcome outcome)
{
    switch (outcome) {
    case OUTCOME_OK:
        return PODLOGIN_OK;
    case OUTCOME_REFUSED:
    case OUTCOME_MISCONFIGURED:
        return PODLOGIN_UPSTREAM_REFUSED;
    case OUTCOME_THROTTLED:
        return PODLOGIN_BUSY;
    case OUTCOME_UNAVAILABLE:
    case OUTCOME_UNTRUSTED:
        return PODLOGIN_UPSTREAM_UNAVAILABLE;
    case OUTCOME_NONSENSE:
        return PODLOGIN_UPSTREAM_PROTOCOL;
    case OUTCOMES:
        break;
    }
    return PODLOGIN_INTERNAL;
}

/*
 * A refused leader does not refuse those who came with another JWT: the refusal may be about its
 * pod, and a newer token may be all it takes. The first of the others leads the next exchange.
 */
static void login_refused(struct login *login, const struct broker_answer *answer)
{
    struct list refused;
    struct list *node = login->waiters.next;

    list_init(&refused);
    while (node != &login->waiters) {
        struct broker_waiter *waiter = container_of(node, struct broker_waiter, node);

        node = node->next;
        if (memcmp(&waiter->identity->node.key, &login->leader, sizeof(login->leader)) == 0) {
            list_remove(&waiter->node);
            list_append(&refused, &waiter->node);
        }
    }
    if (!list_is_empty(&login->waiters)) {
        struct broker_waiter *next = container_of(login->waiters.next, struct broker_waiter, node);
        const struct broker_answer fault = {.status = PODLOGIN_INTERNAL};

        if (login_exchange(login, next) < 0)
            login_answer(login, &fault);
    }
    answer_all(&refused, answer);
}

/* For whom: by the first who waits; all of them have service and service account in common. */
static void log_failure(const struct login *login, const char *name, const char *detail)
{
    const struct broker_waiter *waiter =
        container_of(login->waiters.next, struct broker_waiter, node);

    if (list_is_empty(&login->waiters))
        log_warning("an exchange that nobody waits for any more failed: %s: %s", name, detail);
    else
        log_warning("service %s, %s: the exchange failed: %s: %s", waiter->service->name,
                    waiter->identity->claims.subject, name, detail);
}

static void login_failed(struct login *login, const struct job_result *result)
{
    struct broker_answer answer = {
        .status = status_of(result->outcome),
        .retry_after_ms = result->retry_after_ms,
    };
    char detail[257];

    snprintf(detail, sizeof(detail), "%.*s", (int)result->detail.len,
             (const char *)result->detail.at);
    answer.detail = detail[0] ? detail : NULL;
    log_failure(login, status_info(answer.status)->name, detail);
    login_move(login, LOGIN_IDLE);
    if (result->outcome == OUTCOME_REFUSED)
        login_refused(login, &answer);
    else
        login_answer(login, &answer);
}

/* What was exchanged is what is served from now on; the state is the caller's. */
static void login_serve(struct login *login)
{
    const struct broker_answer answer = {.status = PODLOGIN_OK, .token = &login->token};

    timer_unset(&login->slow_disk);
    token_done(&login->token);
    login->token = login->fresh;
    login->fresh = (struct token){0};
    login_answer(login, &answer);
}

static void login_settle(struct login *login)
{
    login_move(login, LOGIN_IDLE);
    if (login->fresh.frame)
        login_serve(login);
}

/* A disk that hangs is as bad as one that fails: nobody waits for it longer than this. */
static void on_slow_disk(struct timer *timer)
{
    log_warning("the disk takes more than a second to keep a token: serving it from memory");
    login_serve(container_of(timer, struct login, slow_disk));
}

/* Stored or not, the token is good; the store has said what is wrong with the disk. */
static void on_stored(struct store_write *write, int result)
{
    (void)result;
    login_settle(container_of(write, struct login, write));
}

/* The answer to a GET as it will be sent, so that a hit only copies it. */
static int token_build(struct token *token, const struct job_result *result, int64_t now_s)
{
    static uint8_t buffer[WIRE_HEADER_SIZE + PODLOGIN_ANSWER_MAX];
    const struct message_token message = {
        .token = result->token,
        .token_type = result->token_type,
        .expires_at_s = (uint64_t)now_s + result->expires_in_s,
        .source = TOKEN_SOURCE_CACHE,
        .variable = result->variable,
        .attributes = result->attributes,
    };
    size_t len;
    int r = wire_encode(&message_token, 0, &message, buffer, sizeof(buffer), &len);

    if (r < 0)
        return r;
    *token = (struct token){
        .frame = secret_new(buffer, len),
        .created_s = now_s,
        .expires_s = (int64_t)message.expires_at_s,
    };
    explicit_bzero(buffer, len);
    return token->frame ? 0 : -ENOMEM;
}

static void on_exchanged(struct job *job, const struct job_result *result)
{
    struct login *login = container_of(job, struct login, job);
    const struct job_result nonsense = {.outcome = OUTCOME_NONSENSE,
                                        .detail = wire_string("the token cannot be passed on")};

    if (result->outcome != OUTCOME_OK) {
        login_failed(login, result);
        return;
    }
    if (token_build(&login->fresh, result, login->asked_s) < 0) {
        login_failed(login, &nonsense);
        return;
    }
    login_move(login, LOGIN_STORING);
    /* committed before the answer leaves, so that what a client has seen survives a crash */
    login->write.on_done = on_stored;
    if (store_put(login->broker->store, &login->write, &login->node.key, &login->fresh) < 0)
        login_settle(login);
    else
        loop_timer(login->broker->loop, &login->slow_disk, SLOW_DISK_USEC, on_slow_disk);
}

static void on_purge(struct timer *timer)
{
    struct broker *broker = container_of(timer, struct broker, purge);
    int64_t now_s = time(NULL);
    struct list *node = broker->by_age.next;
    size_t n_removed = 0;

    while (node != &broker->by_age) {
        struct login *login = container_of(node, struct login, age);

        node = node->next;
        if (login_is_idle(login) && login->token.expires_s <= now_s) {
            login_free(login);
            n_removed++;
        }
    }
    if (n_removed)
        store_purge(broker->store);
    loop_timer(broker->loop, &broker->purge, PURGE_EVERY_USEC, on_purge);
}

static int on_loaded(void *data, const struct digest *key, struct token *token)
{
    struct broker *broker = data;
    struct login *login = make_room(broker) ? login_new(broker, key) : NULL;

    if (!login) {
        token_done(token);
        return -ENOMEM;
    }
    login->token = *token;
    return 0;
}

int broker_init(struct broker *broker, struct loop *loop, struct link *link, const char *cache_path,
                const char *cache_key_setting, char ret_error[STORE_ERROR_MAX])
{
    int r;

    *broker = (struct broker){.loop = loop, .link = link};
    list_init(&broker->by_age);
    r = store_open(cache_path, cache_key_setting, loop, on_loaded, broker, &broker->store,
                   ret_error);
    if (r < 0)
        return r;
    loop_timer(loop, &broker->purge, PURGE_EVERY_USEC, on_purge);
    return 0;
}

/* The sessions are gone by now, so nobody waits. */
void broker_done(struct broker *broker)
{
    timer_unset(&broker->purge);
    store_close(broker->store);
    while (broker->by_age.next && !list_is_empty(&broker->by_age)) {
        struct login *login = container_of(broker->by_age.next, struct login, age);

        if (login->job.state != JOB_IDLE)
            job_cancel(&login->job);
        login_free(login);
    }
    digest_map_done(&broker->logins);
}
