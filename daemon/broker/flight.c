/* The state machine of an exchange: single flight, retries, and what its waiters get. */
#include "broker/flight.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/counters.h"
#include "base/log.h"
#include "base/service_counters.h"
#include "broker/memo.h"
#include "broker/misconfigured.h"
#include "broker/result.h"
#include "broker/write_behind.h"
#include "protocol/messages.h"
#include "protocol/status.h"
#include "provider/specifiers.h"

#define SLOW_DISK_USEC     SECOND_USEC
#define RETRIES_MAX        2 /* while a request waits and the breaker is not open */
#define RETRY_BASE_USEC    (SECOND_USEC / 4)
#define REFUSED_FIRST_USEC (5 * SECOND_USEC)
#define REFUSED_MOST_USEC  (60 * SECOND_USEC)
#define DELAY_USEC         SECOND_USEC /* what clients are told while the breaker is closed */
#define LEADERS_MAX        3           /* that are tried although the request seems to be wrong */

__attribute__((unused)) static const unsigned flight_may_follow[FLIGHT_STATES] = {
    /* one bit for each state that may follow; a flight may end in every state */
    [FLIGHT_READY] = 1u << FLIGHT_QUEUED | 1u << FLIGHT_EXCHANGING,
    [FLIGHT_QUEUED] = 1u << FLIGHT_EXCHANGING,
    [FLIGHT_EXCHANGING] =
        1u << FLIGHT_STORING | 1u << FLIGHT_PAUSED | 1u << FLIGHT_READY, /* with another leader */
    [FLIGHT_PAUSED] = 1u << FLIGHT_QUEUED | 1u << FLIGHT_EXCHANGING,
};

static void flight_move(struct flight *flight, enum flight_state next)
{
    assert(flight_may_follow[flight->state] & 1u << next);
    flight->state = next;
}

void flight_free(struct flight *flight)
{
    struct login *login = flight->login;

    login->flight = NULL;
    list_remove(&flight->queued);
    timer_unset(&flight->timer);
    if (flight->state == FLIGHT_EXCHANGING && flight->job.state != JOB_IDLE) {
        job_cancel(&flight->job);
        breaker_abandon(&flight->upstream->breaker, flight->pass);
    }
    if (flight->upstream) {
        assert(flight->upstream->n_flights > 0);
        flight->upstream->n_flights--;
    }
    token_done(&flight->fresh);
    service_unref(flight->service);
    identity_unref(flight->leader);
    free(flight);
}

/* Ends the flight: the new token is served from now on. */
static void login_settle(struct login *login)
{
    const struct broker_answer answer = {.token = &login->token};
    bool is_awaited = !list_is_empty(&login->waiters);
    struct token fresh = login->flight->fresh;

    login->flight->fresh = (struct token){0};
    flight_free(login->flight);
    login_take_over(login, &fresh);
    login->was_used = is_awaited;
    waiters_wake(&login->waiters, &answer);
    login_was_renewed(login);
}

/* The token is good even if it was not stored; the store has logged the disk's problem. */
void flight_stored(struct login *login)
{
    if (login->flight && login->flight->state == FLIGHT_STORING)
        login_settle(login);
}

/* A disk that hangs is treated like one that fails: no request waits longer for it. */
static void on_slow_disk(struct timer *timer)
{
    struct login *login = container_of(timer, struct flight, timer)->login;

    assert(login->flight->state == FLIGHT_STORING);
    if (!login->broker->is_disk_slow)
        log_warning("the disk takes more than a second to store a token; serving it from memory");
    login->broker->is_disk_slow = true;
    login_settle(login);
}

static void flight_store(struct flight *flight)
{
    struct login *login = flight->login;

    flight_move(flight, FLIGHT_STORING);
    /* committed before the answer: a token that a client has seen survives a crash */
    if (write_behind_begin(login, &flight->fresh) < 0) {
        login_mark_dirty(login);
        login_settle(login);
        return;
    }
    loop_timer(login->broker->loop, &flight->timer, SLOW_DISK_USEC, on_slow_disk);
}

/*
 * Ends the flight with a refusal. If the login still has a valid token, the refresh is retried
 * later.
 */
static void login_fail(struct login *login, const struct refusal *refusal)
{
    const struct broker_answer answer = {.refusal = *refusal};

    if (token_left_usec(&login->token, clock_now()) > 0)
        counter_add(COUNTER_REFRESH_FAILURES);
    flight_free(login->flight);
    login_retry_later(login, refusal->retry_after_ms * UINT64_C(1000));
    waiters_wake(&login->waiters, &answer);
}

/* Returns when a client may retry. */
static uint32_t delay_ms(const struct upstream *upstream, uint64_t now_usec)
{
    uint64_t usec = breaker_delay_usec(&upstream->breaker, now_usec);

    return (uint32_t)((usec ? usec + 999 : DELAY_USEC) / 1000);
}

static void on_exchanged(struct job *job, const struct job_result *result);

static int settings_list(const struct service *service, const struct claims *claims,
                         struct wire_list *list, char *texts[PROVIDER_SETTINGS_MAX])
{
    const struct pod_names names = {claims->namespace, claims->serviceaccount, claims->pod};

    for (size_t i = 0; service->provider->settings[i].name; i++) {
        const struct provider_setting *setting = &service->provider->settings[i];
        CLEANUP(freep)
        char *value = NULL;

        if (specifiers_expand(setting, service->provider_settings[i], &names, &value) < 0)
            return -ENOMEM;
        if (!value)
            continue;
        if (asprintf(&texts[list->n], "%s=%s", setting->name, value) < 0)
            return -ENOMEM;
        list->item[list->n] = wire_string(texts[list->n]);
        list->n++;
    }
    return 0;
}

static struct exchanger_client *exchanger_of(const struct flight *flight)
{
    struct exchanger_client *const *exchangers = flight->login->broker->exchangers;

    return exchangers[flight->service->provider->is_program ? EXCHANGER_PROGRAMS
                                                            : EXCHANGER_UPSTREAMS];
}

static int flight_send(struct flight *flight)
{
    const struct service *service = flight->service;
    const struct secret *jwt = flight->leader->jwt;
    char *texts[PROVIDER_SETTINGS_MAX] = {0};
    struct job_exchange job = {
        .provider = wire_string(service->provider->name),
        .subject_token = wire_bytes(jwt->bytes, jwt->len),
        .ca_file = wire_string(service->ca_file),
        .secret_file = wire_string(service_secret_file(service)),
    };
    int r = settings_list(service, &flight->leader->claims, &job.settings, texts);

    flight->asked_usec = clock_boot_usec();
    if (r == 0)
        r = exchanger_client_submit(exchanger_of(flight), &flight->job, &job_exchange, &job,
                                    on_exchanged);
    for (size_t i = 0; i < job.settings.n; i++)
        free(texts[i]);
    if (r < 0)
        return r;
    flight->pass = breaker_begin(&flight->upstream->breaker, flight->asked_usec);
    flight_move(flight, FLIGHT_EXCHANGING);
    return 0;
}

static void on_queued(struct timer *timer)
{
    upstream_turn(container_of(timer, struct flight, timer)->upstream);
}

/* Until an exchange ends, or the breaker waits for none any longer. */
static void flight_queue(struct flight *flight, uint64_t now_usec)
{
    uint64_t usec = breaker_wait_usec(&flight->upstream->breaker, now_usec);

    flight_move(flight, FLIGHT_QUEUED);
    list_append(&flight->upstream->queued, &flight->queued);
    if (usec)
        loop_timer(flight->login->broker->loop, &flight->timer, usec, on_queued);
}

/*
 * Sends or queues the exchange. Returns false, with the reason in ret_refusal, if it does neither.
 */
static bool flight_go(struct flight *flight, struct refusal *ret_refusal)
{
    struct upstream *upstream = flight->upstream;
    uint64_t now_usec = clock_boot_usec();

    switch (breaker_ask(&upstream->breaker, now_usec)) {
    case BREAKER_PASS:
        refusal_set_status(ret_refusal, PODLOGIN_INTERNAL);
        return flight_send(flight) == 0;
    case BREAKER_WAIT:
        flight_queue(flight, now_usec);
        return true;
    case BREAKER_LATER:
        break;
    }
    *ret_refusal = upstream->refusal;
    ret_refusal->retry_after_ms = delay_ms(upstream, now_usec);
    return false;
}

/* A queued exchange that no request waits for any more is dropped. */
void upstream_turn(struct upstream *upstream)
{
    struct refusal refusal;

    while (!list_is_empty(&upstream->queued)) {
        struct flight *flight = container_of(upstream->queued.next, struct flight, queued);
        struct login *login = flight->login;

        if (list_is_empty(&login->waiters)) {
            flight_free(flight); /* all waiters left before it began */
            continue;
        }
        if (breaker_ask(&upstream->breaker, clock_boot_usec()) == BREAKER_WAIT)
            return;
        list_remove(&flight->queued);
        timer_unset(&flight->timer);
        if (!flight_go(flight, &refusal))
            login_fail(login, &refusal);
    }
}

/* Returns the remembered refusal of the identity's JWT; NULL: none. */
static const struct failure *refusal_of(const struct login *login, struct identity *identity,
                                        uint64_t now_usec)
{
    struct memo *memo = memo_of(identity);

    return memo ? failures_find(&memo->refusals, &login->node.key, now_usec) : NULL;
}

/*
 * Returns why the identity's JWT is not exchanged now: it was refused, or the service seems to be
 * misconfigured; NULL: it may be exchanged.
 */
static const char *reason_against(struct login *login, struct identity *identity,
                                  const struct service *service)
{
    uint64_t now_usec = clock_boot_usec();
    const struct failure *failure = refusal_of(login, identity, now_usec);

    return failure ? failure->detail
                   : misconfigured_hold(&login->broker->misconfigured, &service->digest,
                                        &identity->claims, now_usec);
}

static void set_service(struct flight *flight, const struct service *service)
{
    service_ref(service);
    service_unref(flight->service);
    flight->service = service;
}

static void set_leader(struct flight *flight, struct identity *leader,
                       const struct service *service)
{
    identity_ref(leader);
    identity_unref(flight->leader);
    flight->leader = leader;
    set_service(flight, service);
    flight->n_retries = 0;
}

bool flight_reload(struct flight *flight, const struct config *config)
{
    set_service(flight, config_same_service(config, flight->service));
    return flight->service;
}

bool flight_begin(struct login *login, struct identity *leader, const struct service *service,
                  struct refusal *ret_refusal)
{
    struct broker *broker = login->broker;
    const char *reason = reason_against(login, leader, service);
    struct flight *flight;

    assert(!login->flight);
    if (reason) {
        refusal_set(ret_refusal, PODLOGIN_UPSTREAM_REFUSED, "%s", reason);
        return false;
    }
    refusal_set_status(ret_refusal, PODLOGIN_INTERNAL);
    flight = calloc(1, sizeof(*flight));
    if (!flight)
        return false;
    login->flight = flight;
    flight->login = login;
    list_init(&flight->queued);
    set_leader(flight, leader, service);
    flight->upstream = upstream_find(&broker->upstreams, service);
    if (flight->upstream)
        flight->upstream->n_flights++;
    if (flight->upstream && flight_go(flight, ret_refusal))
        return true;
    flight_free(flight);
    return false;
}

static void remember_refusal(const struct flight *flight, const char *detail)
{
    struct memo *memo = memo_of(flight->leader);

    if (memo)
        failures_add(&memo->refusals, &flight->login->node.key, detail, REFUSED_FIRST_USEC,
                     REFUSED_MOST_USEC, clock_boot_usec());
}

/*
 * Moves the waiters whose JWT was refused to another list. A JWT that came twice before it was
 * verified has two identities.
 */
static void take_refused(struct login *login, struct list *refused)
{
    const struct digest *jwt = &login->flight->leader->digest;
    struct list *node = login->waiters.next;
    uint64_t now_usec = clock_boot_usec();

    while (node != &login->waiters) {
        struct broker_waiter *waiter = container_of(node, struct broker_waiter, waiter.node);

        node = node->next;
        if (memcmp(&waiter->identity->digest, jwt, sizeof(*jwt)) == 0 ||
            refusal_of(login, waiter->identity, now_usec)) {
            list_remove(&waiter->waiter.node);
            list_append(refused, &waiter->waiter.node);
        }
    }
}

/*
 * Refuses the waiters that came with the refused JWT, but not those with another one: the refusal
 * may concern only the leader's pod, and a newer JWT may succeed. The first of the others leads the
 * next exchange.
 */
static void login_refused(struct login *login, const struct refusal *refusal)
{
    const struct broker_answer answer = {.refusal = *refusal};
    struct flight *flight = login->flight;
    struct broker_waiter *next;
    struct refusal failure;
    struct list refused;

    list_init(&refused);
    take_refused(login, &refused);
    if (list_is_empty(&login->waiters)) {
        login_fail(login, refusal);
    } else {
        next = container_of(login->waiters.next, struct broker_waiter, waiter.node);
        next->is_leader = true;
        set_leader(flight, next->identity, next->service);
        flight_move(flight, FLIGHT_READY);
        if (!flight_go(flight, &failure))
            login_fail(login, &failure);
    }
    waiters_wake(&refused, &answer);
}

static void on_pause_over(struct timer *timer)
{
    struct flight *flight = container_of(timer, struct flight, timer);
    struct refusal refusal;

    assert(flight->state == FLIGHT_PAUSED);
    refusal_set_status(&refusal, PODLOGIN_UPSTREAM_UNAVAILABLE);
    if (list_is_empty(&flight->login->waiters) || !flight_go(flight, &refusal))
        login_fail(flight->login, &refusal);
}

/* Schedules a retry after a random pause. Returns false if there will be none. */
static bool flight_retry(struct flight *flight)
{
    if (list_is_empty(&flight->login->waiters) || flight->n_retries >= RETRIES_MAX ||
        breaker_ask(&flight->upstream->breaker, clock_boot_usec()) == BREAKER_LATER)
        return false;
    flight_move(flight, FLIGHT_PAUSED);
    loop_timer(flight->login->broker->loop, &flight->timer,
               random_below(RETRY_BASE_USEC << flight->n_retries), on_pause_over);
    flight->n_retries++;
    return true;
}

static void log_failure(const struct flight *flight, const char *name, const char *detail)
{
    log_warning("service %s, %s: exchange failed: %s: %s", flight->service->name,
                flight->leader->claims.subject, name, detail);
}

static void flight_failed(struct flight *flight, enum outcome outcome, const char *detail)
{
    struct login *login = flight->login;
    struct refusal refusal;
    const struct status_info *info =
        status_info(refusal_set(&refusal, status_of_outcome(outcome), "%s", detail));

    if (info->is_retryable)
        refusal.retry_after_ms = delay_ms(flight->upstream, clock_boot_usec());
    log_failure(flight, info->name, detail);
    if (outcome == OUTCOME_UNAVAILABLE && flight_retry(flight))
        return;
    if (outcome == OUTCOME_MISCONFIGURED) {
        misconfigured_add(&login->broker->misconfigured, &flight->service->digest,
                          &flight->leader->claims, detail, clock_boot_usec());
        flight->n_misconfigured++;
    }
    if (outcome != OUTCOME_REFUSED && outcome != OUTCOME_MISCONFIGURED) {
        login_fail(login, &refusal);
        return;
    }
    remember_refusal(flight, detail);
    if (flight->n_misconfigured >= LEADERS_MAX)
        login_fail(login, &refusal);
    else
        login_refused(login, &refusal);
}

/* Returns 0 or -errno: the token is valid, but cannot be passed on; -EINVAL: it is too large. */
static int take_token(struct flight *flight, const struct job_result *result)
{
    struct environment environment;
    int r = environment_describe(flight->service, &flight->login->node.key, &environment);

    if (r == 0)
        r = token_from_result(result, &environment, flight->asked_usec, &flight->fresh);
    environment_done(&environment);
    return r;
}

/* The upstream did its part, so neither it nor the JWT is blamed. */
static void fail_internally(struct flight *flight, int r)
{
    struct refusal refusal;

    refusal_set_status(&refusal, PODLOGIN_INTERNAL);
    log_failure(flight, "INTERNAL", strerror(-r));
    login_fail(flight->login, &refusal);
}

static void on_exchanged(struct job *job, const struct job_result *result)
{
    struct flight *flight = container_of(job, struct flight, job);
    struct upstream *upstream = flight->upstream;
    enum outcome outcome = result->outcome;
    char detail[REFUSAL_DETAIL_MAX + 1] = "";
    int r = 0;

    assert(flight->state == FLIGHT_EXCHANGING);
    if (outcome != OUTCOME_OK)
        snprintf(detail, sizeof(detail), "%.*s", (int)result->detail.len,
                 (const char *)result->detail.at);
    else if (!result_check(result, flight->service, detail, sizeof(detail)))
        outcome = OUTCOME_MALFORMED;
    else if ((r = take_token(flight, result)) == -EINVAL) {
        outcome = OUTCOME_MALFORMED;
        snprintf(detail, sizeof(detail), "the token and its variables have more than %d bytes",
                 PODLOGIN_ANSWER_MAX);
    }
    count_exchange(flight->service->name, outcome, clock_boot_usec() - flight->asked_usec);
    upstream_report(upstream, flight->pass, outcome, detail, result->retry_after_ms,
                    clock_boot_usec());
    if (outcome != OUTCOME_OK) {
        flight_failed(flight, outcome, detail);
    } else if (r < 0) {
        fail_internally(flight, r);
    } else {
        misconfigured_end(&flight->login->broker->misconfigured, &flight->service->digest);
        flight_store(flight);
    }
    upstream_turn(upstream);
}
