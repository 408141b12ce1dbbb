#include "session/request.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "admission/admission.h"
#include "protocol/status.h"

#define KEYS_RETRY_MS     30000
#define DEADLINE_RETRY_MS 1000
#define REVIEW_RETRY_MS   1000
#define RELOAD_RETRY_MS   100
#define STALE_BELOW       15 /* % of the lifetime left; a refresh begins at 30 to 20 */

/* What a request lacks for its answer. */
enum need {
    NEED_NOTHING, /* it is answered */
    NEED_KEYS,
    NEED_REVIEW,
    NEED_EXCHANGE,
};

/* Nobody's token is handed out unseen. @token: NULL with a refusal */
static void audit(struct connection *connection, const struct request *ask,
                  enum podlogin_status status, const struct token *token, const char *source)
{
    const char *reason;
    struct audit_event event = {
        .status = status,
        .service = ask->service ? ask->service->name : NULL,
        .peer = &connection->peer,
        .identity = ask->identity,
        .token = token,
        .source = source,
    };

    if (ask->identity && connection->sessions->config->attestation == ATTESTATION_AUDIT) {
        enum podlogin_status attested = identity_attest(ask->identity, &connection->peer, &reason);

        if (attested != PODLOGIN_OK)
            event.attestation = status_info(attested)->name;
    }
    audit_answer(&connection->quota->trail, &event);
}

static void fail(struct connection *connection, const struct request *ask,
                 enum podlogin_status status, const char *detail, uint32_t retry_after_ms)
{
    connection_answer_error(connection, ask->id, status, detail, retry_after_ms);
    audit(connection, ask, status, NULL, NULL);
}

static void refuse(struct connection *connection, const struct request *ask,
                   enum podlogin_status status, const char *detail)
{
    fail(connection, ask, status, detail, 0);
}

static void answer_identity(struct connection *connection, const struct request *ask,
                            struct now now)
{
    const struct config *config = connection->sessions->config;
    const struct claims *claims = &ask->identity->claims;
    struct message_identity message = {
        .issuer = wire_string(claims->issuer),
        .subject = wire_string(claims->subject),
        .namespace = wire_string(claims->namespace),
        .serviceaccount = wire_string(claims->serviceaccount),
        .serviceaccount_uid = wire_string(claims->serviceaccount_uid),
        .pod = wire_string(claims->pod),
        .pod_uid = wire_string(claims->pod_uid),
        .expires_at_s = (uint64_t)claims->expires_at_s,
    };

    for (size_t i = 0; i < config->n_services && message.services.n < WIRE_LIST_MAX; i++)
        if (admission_holds(connection->sessions->identities, ask->identity, &config->services[i],
                            now))
            message.services.item[message.services.n++] = wire_string(config->services[i].name);
    connection_answer(connection, &message_identity, ask->id, &message);
    audit(connection, ask, PODLOGIN_OK, NULL, NULL);
}

static void refuse_by_rules(struct connection *connection, const struct request *ask,
                            const struct rule_section *section)
{
    char detail[PODLOGIN_DETAIL_MAX + 1];

    if (section)
        snprintf(detail, sizeof(detail), "[Deny \"%.200s\"] of service %s", section->name,
                 ask->service->name);
    else
        snprintf(detail, sizeof(detail), "no [Allow] section of service %s matches",
                 ask->service->name);
    refuse(connection, ask, PODLOGIN_POLICY_DENIED, detail);
}

/* The process that connected may have left the connection to another. */
static bool peer_has_gone(const struct connection *connection)
{
    return connection->sessions->config->attestation == ATTESTATION_ENFORCE &&
           !peer_lives(&connection->peer);
}

/* Identity first, rules second, on hits too. False: refused, and answered so. */
static enum need judge(struct connection *connection, const struct request *ask, struct now now,
                       bool *ret_is_admitted)
{
    const struct presentation presentation = {
        .service = ask->service,
        .peer = &connection->peer,
        .now = now,
        .may_wait = ask->may_wait_for_keys,
    };
    const struct rule_section *section;
    enum podlogin_status status;
    const char *reason;

    *ret_is_admitted = false;
    if (identity_judge(connection->sessions->identities, ask->identity, &presentation, &status,
                       &reason) > 0)
        return NEED_KEYS;
    if (status != PODLOGIN_OK) {
        refuse(connection, ask, status, reason);
        return NEED_NOTHING;
    }
    if (ask->service &&
        policy_judge(&ask->service->policy, ask->identity->payload, &section) != VERDICT_ALLOW) {
        refuse_by_rules(connection, ask, section);
        return NEED_NOTHING;
    }
    if (peer_has_gone(connection)) {
        refuse(connection, ask, PODLOGIN_PEER_GONE, NULL);
        return NEED_NOTHING;
    }
    *ret_is_admitted = true;
    return NEED_NOTHING;
}

/* "stale": it should have been refreshed by now. */
static const char *source_of_hit(const struct token *token, struct now now)
{
    return token_left_usec(token, now) < token_lifetime_usec(token) / 100 * STALE_BELOW ? "stale"
                                                                                        : "hit";
}

/* The whole hit path. */
static enum need try_answer(struct connection *connection, const struct request *ask)
{
    struct now now = clock_now();
    const struct token *token;
    bool is_admitted;
    enum need need = judge(connection, ask, now, &is_admitted);

    if (need != NEED_NOTHING || !is_admitted)
        return need;
    if (review_is_needed(ask->identity, false, now.boot_usec))
        return NEED_REVIEW;
    review_ahead(ask->identity, now.boot_usec);
    if (ask->is_whoami) {
        answer_identity(connection, ask, now);
        return NEED_NOTHING;
    }
    token =
        broker_find(connection->sessions->broker, ask->identity, ask->service, ask->min_ttl_s, now);
    if (!token)
        return review_is_needed(ask->identity, true, now.boot_usec) ? NEED_REVIEW : NEED_EXCHANGE;
    wire_set_id(token->frame->bytes, ask->id);
    connection_send(connection, token->frame->bytes, token->frame->len);
    audit(connection, ask, PODLOGIN_OK, token, source_of_hit(token, now));
    return NEED_NOTHING;
}

void request_free(struct pending *request)
{
    timer_unset(&request->deadline);
    key_waiter_leave(&request->key_waiter);
    review_leave(&request->review_waiter);
    broker_leave(&request->broker_waiter);
    list_remove(&request->node);
    request->connection->n_requests--;
    request->connection->quota->n_misses -= request->is_miss;
    identity_unref(request->ask.identity);
    free(request);
}

/* The request is over; so may the connection be. */
static void request_end(struct pending *request)
{
    struct connection *connection = request->connection;

    request_free(request);
    if (connection->is_broken)
        connection_free(connection);
}

/* As the broker's answer, but "cache" is said of what needed no exchange. */
static void answer_token(struct pending *request, const struct broker_answer *answer)
{
    const struct secret *frame = answer->token->frame;
    struct message_token message;

    if (wire_decode(&message_token, frame->bytes + WIRE_HEADER_SIZE, frame->len - WIRE_HEADER_SIZE,
                    &message) < 0) {
        refuse(request->connection, &request->ask, PODLOGIN_INTERNAL, NULL);
        return;
    }
    message.source = answer->source;
    connection_answer(request->connection, &message_token, request->ask.id, &message);
    audit(request->connection, &request->ask, PODLOGIN_OK, answer->token, "miss");
}

static void on_answer(struct broker_waiter *waiter, const struct broker_answer *answer)
{
    struct pending *request = container_of(waiter, struct pending, broker_waiter);
    bool is_admitted;

    if (answer->status != PODLOGIN_OK) {
        fail(request->connection, &request->ask, answer->status, answer->detail,
             answer->retry_after_ms);
    } else {
        /* time has gone by, and a key may have been withdrawn */
        request->ask.may_wait_for_keys = false;
        judge(request->connection, &request->ask, clock_now(), &is_admitted);
        if (is_admitted)
            answer_token(request, answer);
    }
    request_end(request);
}

/* True: it waits for an exchange; false: it is answered. */
static bool wait_for_exchange(struct pending *request)
{
    struct connection *connection = request->connection;
    struct quota *quota = connection->quota;
    uint32_t most = connection->sessions->config->limits.misses;
    struct broker_answer failure;

    request->broker_waiter.may_only_join = most && quota->n_misses >= most;
    if (broker_join(connection->sessions->broker, &request->broker_waiter, &failure)) {
        request->is_miss = request->broker_waiter.is_leader;
        quota->n_misses += request->is_miss;
        return true;
    }
    fail(connection, &request->ask, failure.status, failure.detail, failure.retry_after_ms);
    return false;
}

/* True: it waits for the API server's word; false: it is answered. */
static bool wait_for_review(struct pending *request)
{
    enum podlogin_status status;
    const char *detail;

    if (review_wait(request->ask.identity, &request->review_waiter, &status, &detail))
        return true;
    fail(request->connection, &request->ask, status, detail,
         status_info(status)->is_retryable ? REVIEW_RETRY_MS : 0);
    return false;
}

/* Waits for what the request lacks. True: it waits; false: it is answered. */
static bool request_wait(struct pending *request, enum need need)
{
    struct connection *connection = request->connection;

    if (need == NEED_KEYS) {
        struct issuer *issuer = request->ask.identity->issuer;
        enum key_fetch fetch = issuer_wait_for_keys(issuer, &request->key_waiter,
                                                    &connection->quota->unknown_kid_usec);

        if (fetch == KEYS_UNDER_WAY)
            return true;
        if (fetch == KEYS_TOO_SOON && issuer->jwks.n) {
            /* it may be a new one, so this is no verdict: else a forged token could cause refusals
             */
            fail(connection, &request->ask, PODLOGIN_ISSUER_UNAVAILABLE,
                 "the token's key is not known, and newer ones were asked for less than 30 s ago",
                 KEYS_RETRY_MS);
            return false;
        }
        request->ask.may_wait_for_keys = false;
        need = try_answer(connection, &request->ask);
    }
    if (need == NEED_REVIEW)
        return wait_for_review(request);
    return need == NEED_EXCHANGE && wait_for_exchange(request);
}

static void on_keys(struct key_waiter *waiter)
{
    struct pending *request = container_of(waiter, struct pending, key_waiter);
    enum need need;

    request->ask.may_wait_for_keys = false;
    need = try_answer(request->connection, &request->ask);
    if (need == NEED_NOTHING || !request_wait(request, need))
        request_end(request);
}

static void on_review(struct review_waiter *waiter)
{
    struct pending *request = container_of(waiter, struct pending, review_waiter);
    enum need need = try_answer(request->connection, &request->ask);

    /* a review that failed is not begun again: that it has, is the answer */
    if (need == NEED_NOTHING || !request_wait(request, need))
        request_end(request);
}

static void on_deadline(struct timer *timer)
{
    struct pending *request = container_of(timer, struct pending, deadline);
    bool waits_for_issuer =
        !list_is_empty(&request->key_waiter.node) || !list_is_empty(&request->review_waiter.node);
    char detail[64];

    snprintf(detail, sizeof(detail), "no answer within %u ms", request->ask.timeout_ms);
    fail(request->connection, &request->ask,
         waits_for_issuer ? PODLOGIN_ISSUER_UNAVAILABLE : PODLOGIN_UPSTREAM_UNAVAILABLE, detail,
         DEADLINE_RETRY_MS);
    request_end(request);
}

static struct pending *request_new(struct connection *connection, const struct request *ask)
{
    struct pending *request = calloc(1, sizeof(*request));

    if (!request)
        return NULL;
    request->connection = connection;
    request->ask = *ask;
    identity_ref(ask->identity);
    list_init(&request->key_waiter.node);
    request->key_waiter.on_keys = on_keys;
    list_init(&request->review_waiter.node);
    request->review_waiter.on_review = on_review;
    list_init(&request->broker_waiter.node);
    request->broker_waiter.identity = ask->identity;
    request->broker_waiter.service = ask->service;
    request->broker_waiter.on_answer = on_answer;
    list_append(&connection->requests, &request->node);
    connection->n_requests++;
    loop_timer(connection->sessions->loop, &request->deadline, ask->timeout_ms * UINT64_C(1000),
               on_deadline);
    return request;
}

void request_reload(struct pending *request, const struct config *config)
{
    const struct service *before = request->ask.service, *now;

    if (!before)
        return;
    now = config_service(config, before->name, strlen(before->name));
    if (now && memcmp(&now->digest, &before->digest, sizeof(now->digest)) == 0) {
        request->ask.service = request->broker_waiter.service = now;
        return;
    }
    fail(request->connection, &request->ask, PODLOGIN_BUSY,
         "the service's configuration has changed; ask again", RELOAD_RETRY_MS);
    request_free(request);
}

static void serve(struct connection *connection, struct request *ask)
{
    struct pending *request;
    enum need need;

    if (!connection->identity) {
        refuse(connection, ask, connection->login_status, connection->login_reason);
        return;
    }
    ask->identity = connection->identity;
    ask->may_wait_for_keys = true;
    need = try_answer(connection, ask);
    if (need == NEED_NOTHING)
        return;
    if (connection->n_requests >= REQUESTS_PER_CONNECTION) {
        refuse(connection, ask, PODLOGIN_TOO_MANY, "64 requests wait on this connection");
        return;
    }
    request = request_new(connection, ask);
    if (!request)
        refuse(connection, ask, PODLOGIN_INTERNAL, NULL);
    else if (!request_wait(request, need))
        request_free(request); /* the caller looks after the connection */
}

static uint32_t timeout_of(uint32_t timeout_ms)
{
    return timeout_ms ? timeout_ms : PODLOGIN_TIMEOUT_MS;
}

int request_get(struct connection *connection, const struct wire_header *header,
                const uint8_t *payload)
{
    struct message_get get;
    struct request ask = {.id = header->id};

    if (wire_decode(&message_get, payload, header->payload_len, &get) < 0)
        return -EBADMSG;
    ask.service = config_service(connection->sessions->config, get.service.at, get.service.len);
    ask.min_ttl_s = get.min_ttl_s;
    ask.timeout_ms = timeout_of(get.timeout_ms);
    if (ask.service)
        serve(connection, &ask);
    else
        refuse(connection, &ask, PODLOGIN_UNKNOWN_SERVICE, NULL);
    return 0;
}

int request_whoami(struct connection *connection, const struct wire_header *header,
                   const uint8_t *payload)
{
    struct message_whoami whoami;
    struct request ask = {.id = header->id, .is_whoami = true};

    if (wire_decode(&message_whoami, payload, header->payload_len, &whoami) < 0)
        return -EBADMSG;
    ask.timeout_ms = timeout_of(whoami.timeout_ms);
    serve(connection, &ask);
    return 0;
}
