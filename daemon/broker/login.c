/* When and with whose JWT a token is refreshed, and what a new clock or configuration changes. */
#include "broker/login.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "admission/admission.h"
#include "broker/flight.h"
#include "broker/write_behind.h"

#define REFRESH_RETRY_USEC SECOND_USEC /* at least */
#define REFRESH_FROM       70          /* % of the lifetime; docs/decisions/0008 */
#define REFRESH_TO         80
#define WATCH_RETRY_MS     1000

static void on_review(struct waiter *waiter, const void *news);

struct login *login_new(struct broker *broker, const struct digest *key)
{
    CLEANUP(freep)
    struct login *login = calloc(1, sizeof(*login));

    if (!login)
        return NULL;
    login->broker = broker;
    login->node.key = *key;
    list_init(&login->waiters);
    list_init(&login->watchers);
    list_init(&login->dirty);
    waiter_init(&login->review, on_review);
    if (digest_map_add(&broker->logins, &login->node) < 0)
        return NULL;
    list_append(&broker->by_age, &login->age);
    return TAKE_PTR(login);
}

void login_was_renewed(struct login *login)
{
    const struct broker_answer answer = {.token = &login->token};

    waiters_wake(&login->watchers, &answer);
}

void login_refuse_watchers(struct login *login)
{
    struct broker_answer answer = {.token = NULL};

    refusal_set(&answer.refusal, PODLOGIN_BUSY, "the token has left the cache; try again");
    answer.refusal.retry_after_ms = WATCH_RETRY_MS;
    waiters_wake(&login->watchers, &answer);
}

void login_free(struct login *login)
{
    assert(list_is_empty(&login->waiters) && list_is_empty(&login->watchers));
    if (login->flight)
        flight_free(login->flight);
    write_behind_detach(login);
    digest_map_remove(&login->broker->logins, &login->node);
    list_remove(&login->age);
    list_remove(&login->dirty);
    timer_unset(&login->refresh);
    waiter_leave(&login->review);
    identity_unref(login->newest);
    service_unref(login->service);
    token_done(&login->token);
    free(login->account);
    free(login);
}

bool login_is_idle(const struct login *login)
{
    return !login->flight && list_is_empty(&login->waiters) && list_is_empty(&login->watchers);
}

static void on_refresh(struct timer *timer);

/*
 * At a random time between two shares of the lifetime, so that tokens that were obtained together
 * are not refreshed together; early enough for several retries.
 */
static void schedule_refresh(struct login *login)
{
    const struct token *token = &login->token;
    uint64_t percent = token_lifetime_usec(token) / 100;
    uint64_t before =
        (100 - REFRESH_TO) * percent + random_below((REFRESH_TO - REFRESH_FROM) * percent);

    timer_set(&login->broker->loop->timers, &login->refresh,
              token->expires_boot_usec > before ? token->expires_boot_usec - before : 0,
              on_refresh);
}

/*
 * Spread over the remaining lifetime, and not before delay_usec, when the upstream may be asked
 * again.
 */
void login_retry_later(struct login *login, uint64_t delay_usec)
{
    uint64_t left = token_left_usec(&login->token, clock_now());
    uint64_t usec = left / 8 + random_below(left / 8 * 3);

    if (usec < delay_usec)
        usec = delay_usec + random_below(SECOND_USEC);
    if (usec < REFRESH_RETRY_USEC)
        usec = REFRESH_RETRY_USEC;
    if (usec < left)
        loop_timer(login->broker->loop, &login->refresh, usec, on_refresh);
}

static void drop_newest(struct login *login)
{
    waiter_leave(&login->review);
    identity_unref(login->newest);
    login->newest = NULL;
}

/* If the pod whose JWT would be exchanged is gone, the next request brings another JWT. */
static void wait_for_review(struct login *login)
{
    struct refusal refusal;

    if (waiter_is_waiting(&login->review) || review_wait(login->newest, &login->review, &refusal))
        return;
    if (refusal.status == PODLOGIN_TOKEN_REVOKED)
        drop_newest(login);
    else
        login_retry_later(login, 0);
}

static void begin_refresh(struct login *login, uint64_t now_usec)
{
    struct upstream *upstream = upstream_find(&login->broker->upstreams, login->service);
    struct refusal refusal;

    login->is_due = false;
    /* requests that wait for a token go first; a refresh can be retried */
    if (upstream && breaker_ask(&upstream->breaker, now_usec) != BREAKER_PASS)
        login_retry_later(login, breaker_delay_usec(&upstream->breaker, now_usec));
    else if (!flight_begin(login, login->newest, login->service, &refusal))
        login_retry_later(login, refusal.retry_after_ms * UINT64_C(1000));
}

static void refresh(struct login *login)
{
    struct admission admission = {
        .identities = login->broker->identities,
        .identity = login->newest,
        .service = login->service,
        .now = clock_now(),
        .for_exchange = true,
    };
    struct refusal refusal;

    if (login->flight || !login->token.frame)
        return;
    login->is_due = true; /* the next request brings a JWT */
    if (!login->newest)
        return;
    switch (admission_judge(&admission, &refusal)) {
    case ADMISSION_GRANTED:
        begin_refresh(login, admission.now.boot_usec);
        return;
    case ADMISSION_NEEDS_REVIEW:
        wait_for_review(login);
        return;
    case ADMISSION_NEEDS_KEYS: /* impossible: it cannot wait */
    case ADMISSION_REFUSED:
        drop_newest(login);
        return;
    }
}

static void on_review(struct waiter *waiter, const void *news)
{
    (void)news;
    refresh(container_of(waiter, struct login, review));
}

static void on_refresh(struct timer *timer)
{
    struct login *login = container_of(timer, struct login, refresh);

    login->is_due = true;
    if (login->was_used)
        refresh(login);
}

static void login_set_service(struct login *login, const struct service *service)
{
    service_ref(service);
    service_unref(login->service);
    login->service = service;
}

void login_drop_token(struct login *login)
{
    token_done(&login->token);
    list_remove(&login->dirty);
    timer_unset(&login->refresh);
    login->is_due = false;
}

static void login_set_account(struct login *login, const struct claims *claims)
{
    if (!login->account &&
        asprintf(&login->account, "%s/%s", claims->namespace, claims->serviceaccount) < 0)
        login->account = NULL; /* it has no name to show, but works */
}

void login_used(struct login *login, struct identity *identity, const struct service *service)
{
    login->was_used = true;
    if (login->newest != identity &&
        (!login->newest || login->newest->claims.expires_at_s < identity->claims.expires_at_s)) {
        drop_newest(login);
        login->newest = identity_ref(identity);
        login_set_service(login, service);
        login_set_account(login, &identity->claims);
    }
    if (login->is_due)
        refresh(login);
}

void login_drop_expired(struct login *login, struct now now)
{
    if (login->newest && identity_has_expired(login->newest, now))
        drop_newest(login);
}

void login_clock_was_set(struct login *login, struct now now)
{
    if (!login->token.frame || token_redate(&login->token, now) <= 0)
        return;
    if (!login->flight)
        write_behind_detach(login); /* the write under way has the old expiry */
    login_mark_dirty(login);
}

bool login_reload(struct login *login, const struct config *config)
{
    if (login->flight && !flight_reload(login->flight, config))
        return false;
    if (!login->service)
        return true; /* it comes from the disk and was not asked for yet */
    login_set_service(login, config_same_service(config, login->service));
    return login->service;
}

void login_take_over(struct login *login, struct token *token)
{
    token_done(&login->token);
    login->token = *token;
    *token = (struct token){0};
    /* the clock may have been set since the expiry was computed */
    login_clock_was_set(login, clock_now());
    login->was_used = login->is_due = false;
    schedule_refresh(login);
}
