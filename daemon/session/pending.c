/* The state machine of a pending request. */
#include "session/pending.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEADLINE_RETRY_MS 1000
#define RELOAD_RETRY_MS   100

__attribute__((unused)) static const unsigned may_follow[PENDING_STATES] = {
    /* one bit for each state that may follow; a request may end in every state */
    [PENDING_NEW] =
        1u << PENDING_KEYS | 1u << PENDING_REVIEW | 1u << PENDING_EXCHANGE | 1u << PENDING_RENEWAL,
    [PENDING_KEYS] = 1u << PENDING_REVIEW | 1u << PENDING_EXCHANGE | 1u << PENDING_RENEWAL,
    [PENDING_REVIEW] =
        1u << PENDING_KEYS | 1u << PENDING_REVIEW | 1u << PENDING_EXCHANGE | 1u << PENDING_RENEWAL,
    [PENDING_EXCHANGE] = 1u << PENDING_REVIEW, /* the latest review is too old by now */
    [PENDING_RENEWAL] = 1u << PENDING_KEYS | 1u << PENDING_REVIEW | 1u << PENDING_EXCHANGE,
};

static void pending_move(struct pending *pending, enum pending_state next)
{
    assert(may_follow[pending->state] & 1u << next);
    pending->state = next;
}

void pending_free(struct pending *pending)
{
    assert(!list_is_empty(&pending->node) && pending->connection->n_pending > 0);
    assert(pending->connection->quota->n_misses >= pending->is_miss);
    timer_unset(&pending->deadline);
    waiter_leave(&pending->waiter.waiter);
    list_remove(&pending->node);
    pending->connection->n_pending--;
    pending->connection->quota->n_misses -= pending->is_miss;
    identity_unref(pending->request.identity);
    service_unref(pending->request.service);
    free(pending);
}

/* Frees an answered request, and its connection if that broke while answering, or has no more. */
static void pending_end(struct pending *pending)
{
    struct connection *connection = pending->connection;

    pending_free(pending);
    connection_end(connection);
}

static void refuse(struct pending *pending, const struct refusal *refusal)
{
    request_refuse(pending->connection, &pending->request, refusal);
}

/* Returns true if the request waits; otherwise it is answered. */
static bool wait_for_exchange(struct pending *pending)
{
    struct connection *connection = pending->connection;
    struct quota *quota = connection->quota;
    uint32_t most = connection->sessions->config->limits.misses;
    struct refusal refusal;

    pending->waiter.rejected = pending->request.rejected;
    pending->waiter.may_only_join = most && quota->n_misses >= most;
    if (!broker_join(connection->sessions->broker, &pending->waiter, &refusal)) {
        refuse(pending, &refusal);
        return false;
    }
    pending_move(pending, PENDING_EXCHANGE);
    pending->is_miss = pending->waiter.is_leader;
    quota->n_misses += pending->is_miss;
    return true;
}

static bool wait_for_review(struct pending *pending)
{
    struct refusal refusal;

    if (!review_wait(pending->request.identity, &pending->waiter.waiter, &refusal)) {
        refuse(pending, &refusal);
        return false;
    }
    pending_move(pending, PENDING_REVIEW);
    return true;
}

static void on_deadline(struct timer *timer);

static void set_deadline(struct pending *pending, uint64_t usec)
{
    loop_timer(pending->connection->sessions->loop, &pending->deadline, usec, on_deadline);
}

/* Until there is another token, or until its client needs one, or has to present a newer JWT. */
static bool wait_for_renewal(struct pending *pending)
{
    struct now now = clock_now();
    int64_t jwt_left_s = pending->request.identity->claims.expires_at_s - now.wall_s;
    uint64_t usec = broker_watch(pending->connection->sessions->broker, &pending->waiter,
                                 pending->request.min_ttl_s, now);

    if (usec > pending->request.wait_ms * UINT64_C(1000))
        usec = pending->request.wait_ms * UINT64_C(1000);
    if (jwt_left_s < 0)
        jwt_left_s = 0;
    if (usec > (uint64_t)jwt_left_s * SECOND_USEC)
        usec = (uint64_t)jwt_left_s * SECOND_USEC;
    set_deadline(pending, usec);
    pending_move(pending, PENDING_RENEWAL);
    return true;
}

static bool pending_wait(struct pending *pending, enum need need);

static bool wait_for_keys(struct pending *pending)
{
    struct issuer *issuer = pending->request.identity->issuer;

    switch (issuer_wait_for_keys(issuer, &pending->waiter.waiter,
                                 &pending->connection->quota->unknown_kid_usec)) {
    case KEYS_UNDER_WAY:
        pending_move(pending, PENDING_KEYS);
        return true;
    case KEYS_TOO_SOON:
        pending->request.newer_keys = NEWER_KEYS_UNKNOWN;
        break;
    case KEYS_READ:
        pending->request.newer_keys = NEWER_KEYS_NONE;
        break;
    }
    return pending_wait(pending, request_answer(pending->connection, &pending->request));
}

static bool pending_wait(struct pending *pending, enum need need)
{
    switch (need) {
    case NEED_KEYS:
        return wait_for_keys(pending);
    case NEED_REVIEW:
        return wait_for_review(pending);
    case NEED_EXCHANGE:
        return wait_for_exchange(pending);
    case NEED_RENEWAL:
        return wait_for_renewal(pending);
    case NEED_NOTHING:
        break;
    }
    return false;
}

static enum need on_answer(struct pending *pending, const struct broker_answer *answer)
{
    pending->connection->quota->n_misses -= pending->is_miss;
    pending->is_miss = false;
    if (!answer->token) {
        refuse(pending, &answer->refusal);
        return NEED_NOTHING;
    }
    pending->request.newer_keys = NEWER_KEYS_NONE;
    return request_answer_exchanged(pending->connection, &pending->request, answer->token,
                                    pending->waiter.is_leader ? TOKEN_SOURCE_EXCHANGE
                                                              : TOKEN_SOURCE_JOINED);
}

/* From now on the request is like any other. */
static enum need renewal_is_over(struct pending *pending)
{
    waiter_leave(&pending->waiter.waiter);
    pending->request.wait_ms = 0;
    set_deadline(pending, pending->request.timeout_ms * UINT64_C(1000));
    return request_answer(pending->connection, &pending->request);
}

static enum need on_renewal(struct pending *pending, const struct broker_answer *answer)
{
    if (answer->token)
        return renewal_is_over(pending);
    refuse(pending, &answer->refusal);
    return NEED_NOTHING;
}

/*
 * After a failed review, review_wait() does not start another one at once, but returns its reason.
 */
static void on_wake(struct waiter *waiter, const void *news)
{
    struct pending *pending = container_of(waiter, struct pending, waiter.waiter);
    enum need need;

    assert(pending->state != PENDING_NEW);
    if (pending->state == PENDING_EXCHANGE) {
        need = on_answer(pending, news);
    } else if (pending->state == PENDING_RENEWAL) {
        need = on_renewal(pending, news);
    } else {
        if (pending->state == PENDING_KEYS)
            pending->request.newer_keys = news ? NEWER_KEYS_NONE : NEWER_KEYS_UNKNOWN;
        need = request_answer(pending->connection, &pending->request);
    }
    if (!pending_wait(pending, need))
        pending_end(pending);
}

/* Returns the issuer if the request waits for its keys, and the latest fetch failed; or NULL. */
static const struct issuer *failing_issuer(const struct pending *pending)
{
    const struct issuer *issuer =
        pending->state == PENDING_KEYS
            ? identity_issuer(pending->connection->sessions->identities, pending->request.identity)
            : NULL;

    return issuer && issuer->n_failed ? issuer : NULL;
}

static void on_deadline(struct timer *timer)
{
    struct pending *pending = container_of(timer, struct pending, deadline);
    static const enum podlogin_status unavailable[PENDING_STATES] = {
        [PENDING_KEYS] = PODLOGIN_ISSUER_UNAVAILABLE,
        [PENDING_REVIEW] = PODLOGIN_REVIEW_UNAVAILABLE,
        [PENDING_EXCHANGE] = PODLOGIN_UPSTREAM_UNAVAILABLE,
    };
    const struct issuer *issuer = failing_issuer(pending);
    struct refusal refusal;

    assert(pending->state != PENDING_NEW);
    if (pending->state == PENDING_RENEWAL) {
        if (!pending_wait(pending, renewal_is_over(pending)))
            pending_end(pending);
        return;
    }
    if (issuer) {
        issuer_refuse(issuer, &refusal);
    } else {
        refusal_set(&refusal, unavailable[pending->state], "no answer within %u ms",
                    pending->request.timeout_ms);
        refusal.retry_after_ms = DEADLINE_RETRY_MS;
    }
    refuse(pending, &refusal);
    pending_end(pending);
}

static struct pending *pending_new(struct connection *connection, const struct request *request)
{
    struct pending *pending = calloc(1, sizeof(*pending));

    if (!pending)
        return NULL;
    pending->connection = connection;
    pending->request = *request;
    identity_ref(request->identity);
    service_ref(request->service);
    waiter_init(&pending->waiter.waiter, on_wake);
    pending->waiter.identity = request->identity;
    pending->waiter.service = request->service;
    list_append(&connection->pending, &pending->node);
    connection->n_pending++;
    set_deadline(pending, request->timeout_ms * UINT64_C(1000));
    return pending;
}

int pending_begin(struct connection *connection, const struct request *request, enum need need)
{
    struct pending *pending = pending_new(connection, request);

    if (!pending)
        return -ENOMEM;
    if (!pending_wait(pending, need))
        pending_free(pending); /* the caller checks the connection */
    return 0;
}

void pending_reload(struct pending *pending, const struct config *config)
{
    const struct service *before = pending->request.service, *now;
    struct refusal refusal;

    if (!before)
        return;
    now = config_service(config, before->name, strlen(before->name));
    if (now && service_is_same(now, before)) {
        pending->request.service = pending->waiter.service = service_ref(now);
        service_unref(before);
        return;
    }
    refusal_set(&refusal, PODLOGIN_BUSY, "the service's configuration has changed; try again");
    refusal.retry_after_ms = RELOAD_RETRY_MS;
    refuse(pending, &refusal);
    pending_free(pending);
}
