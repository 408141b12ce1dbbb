/* From a decoded request to its answer and its audit line. */
#include "session/request.h"

#include <errno.h>
#include <string.h>

#include "base/service_counters.h"
#include "observe/refusals.h"
#include "protocol/status.h"
#include "session/pending.h"

#define STALE_BELOW 15 /* % of the lifetime left; a refresh begins at 30 to 20 */

/* Returns the name of the refusal that PeerAttestation=audit does not enforce; NULL: none. */
static const char *unattested(const struct connection *connection, const struct request *request)
{
    struct refusal refusal;
    enum podlogin_status status = PODLOGIN_OK;

    if (request->identity && connection->sessions->config->attestation == ATTESTATION_AUDIT)
        status = admission_attest(request->identity, &connection->peer, &refusal);
    return status == PODLOGIN_OK ? NULL : status_info(status)->name;
}

static enum request_result result_of(enum podlogin_status status)
{
    switch (status_info(status)->exit_code) {
    case EXIT_CODE_OK:
        return REQUEST_OK;
    case EXIT_CODE_TRY_AGAIN:
        return REQUEST_UNAVAILABLE;
    case EXIT_CODE_REFUSED:
    case EXIT_CODE_CONFIG:
        return REQUEST_REFUSED;
    default:
        return REQUEST_FAULT;
    }
}

/* Writes the audit line; no token is handed out without one. token: NULL with a refusal. */
static void audit(struct connection *connection, const struct request *request,
                  enum podlogin_status status, const struct token *token, const char *source)
{
    const struct audit_event event = {
        .status = status,
        .service = request->service ? request->service->name : NULL,
        .peer = &connection->peer,
        .identity = request->identity,
        .token = token ? &token->fingerprint : NULL,
        .source = source,
        .attestation = unattested(connection, request),
    };

    count_request(event.service, result_of(status));
    audit_answer(&connection->quota->trail, &event);
}

void request_refuse(struct connection *connection, const struct request *request,
                    const struct refusal *refusal)
{
    connection_answer_refusal(connection, request->id, refusal);
    refusals_note(refusal->status, request->service ? request->service->name : NULL,
                  request->identity, refusal->detail);
    audit(connection, request, refusal->status, NULL, NULL);
}

static void refuse(struct connection *connection, const struct request *request,
                   enum podlogin_status status, const char *detail)
{
    struct refusal refusal;

    refusal_set(&refusal, status, "%s", detail);
    request_refuse(connection, request, &refusal);
}

static struct admission admission_of(const struct connection *connection,
                                     const struct request *request)
{
    return (struct admission){
        .identities = connection->sessions->identities,
        .identity = request->identity,
        .service = request->service,
        .peer = &connection->peer,
        .now = clock_now(),
        .newer_keys = request->newer_keys,
    };
}

/* Judges the request. NEED_NOTHING with *ret_is_granted false: it was refused and answered. */
static enum need judge(struct connection *connection, const struct request *request,
                       const struct admission *admission, bool *ret_is_granted)
{
    struct refusal refusal;

    *ret_is_granted = false;
    switch (admission_judge(admission, &refusal)) {
    case ADMISSION_GRANTED:
        *ret_is_granted = true;
        return NEED_NOTHING;
    case ADMISSION_NEEDS_KEYS:
        return NEED_KEYS;
    case ADMISSION_NEEDS_REVIEW:
        return NEED_REVIEW;
    case ADMISSION_REFUSED:
        request_refuse(connection, request, &refusal);
        return NEED_NOTHING;
    }
    return NEED_NOTHING;
}

/* Lists the services that the identity may use now, from any pod. */
static void list_services(const struct admission *admission, const struct config *config,
                          struct wire_list *ret_services)
{
    struct admission each = *admission;
    struct refusal refusal;

    each.peer = NULL;
    each.newer_keys = NEWER_KEYS_NONE;
    for (size_t i = 0; i < config->n_services && ret_services->n < WIRE_LIST_MAX; i++) {
        each.service = &config->services[i];
        if (admission_judge(&each, &refusal) == ADMISSION_GRANTED)
            ret_services->item[ret_services->n++] = wire_string(each.service->name);
    }
}

static void answer_identity(struct connection *connection, const struct request *request,
                            const struct admission *admission)
{
    const struct claims *claims = &request->identity->claims;
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

    list_services(admission, connection->sessions->config, &message.services);
    connection_answer(connection, &message_identity, request->id, &message);
    audit(connection, request, PODLOGIN_OK, NULL, NULL);
}

/* "stale": the token should have been refreshed by now. */
static const char *source_of_hit(const struct token *token, struct now now)
{
    return token_left_usec(token, now) < token_lifetime_usec(token) / 100 * STALE_BELOW ? "stale"
                                                                                        : "hit";
}

enum need request_answer(struct connection *connection, const struct request *request)
{
    struct admission admission = admission_of(connection, request);
    const struct token *token;
    bool is_granted;
    enum need need = judge(connection, request, &admission, &is_granted);

    if (!is_granted)
        return need;
    review_ahead(request->identity, admission.now.boot_usec);
    if (request->is_whoami) {
        answer_identity(connection, request, &admission);
        return NEED_NOTHING;
    }
    token = broker_find(connection->sessions->broker, request->identity, request->service,
                        request->min_ttl_s, admission.now);
    if (token && request->wait_ms && token->fingerprint == request->known)
        return NEED_RENEWAL;
    if (token && !(request->rejected && token->fingerprint == request->rejected)) {
        wire_set_id(token->frame->bytes, request->id);
        connection_send(connection, token->frame->bytes, token->frame->len);
        count_served(request->service->name, true, clock_boot_usec() - admission.now.boot_usec);
        audit(connection, request, PODLOGIN_OK, token, source_of_hit(token, admission.now));
        return NEED_NOTHING;
    }
    /* all other checks have just passed */
    admission.for_exchange = true;
    return admission_check(&admission, CHECK_REVIEW, NULL) == ADMISSION_GRANTED ? NEED_EXCHANGE
                                                                                : NEED_REVIEW;
}

enum need request_answer_exchanged(struct connection *connection, const struct request *request,
                                   const struct token *token, uint32_t source)
{
    const struct admission admission = admission_of(connection, request);
    uint8_t *frame = token->frame->bytes;
    bool is_granted;
    enum need need = judge(connection, request, &admission, &is_granted);

    if (!is_granted)
        return need;
    if (request->rejected && token->fingerprint == request->rejected) {
        refuse(connection, request, PODLOGIN_UPSTREAM_REFUSED,
               "it issued the token again that it rejects");
        return NEED_NOTHING;
    }
    /* the cached frame, with another source for a moment */
    wire_set_id(frame, request->id);
    wire_set_u32(frame, MESSAGE_TOKEN_SOURCE, source);
    connection_send(connection, frame, token->frame->len);
    wire_set_u32(frame, MESSAGE_TOKEN_SOURCE, TOKEN_SOURCE_CACHE);
    count_served(request->service->name, false, clock_boot_usec() - request->waits_since_usec);
    audit(connection, request, PODLOGIN_OK, token, "miss");
    return NEED_NOTHING;
}

static void serve(struct connection *connection, struct request *request)
{
    enum need need;

    if (!connection->identity) {
        request_refuse(connection, request, connection_login_refusal(connection));
        return;
    }
    request->identity = connection->identity;
    request->newer_keys = NEWER_KEYS_LATER;
    need = request_answer(connection, request);
    if (need == NEED_NOTHING)
        return;
    request->waits_since_usec = clock_boot_usec();
    if (connection->n_pending >= PENDING_PER_CONNECTION)
        refuse(connection, request, PODLOGIN_TOO_MANY,
               "64 requests are already waiting on this connection");
    else if (pending_begin(connection, request, need) < 0)
        refuse(connection, request, PODLOGIN_INTERNAL, "");
}

static uint32_t timeout_of(uint32_t timeout_ms)
{
    return timeout_ms ? timeout_ms : PODLOGIN_TIMEOUT_MS;
}

int request_get(struct connection *connection, const struct wire_header *header,
                const uint8_t *payload)
{
    struct message_get get;
    struct request request = {.id = header->id};

    if (wire_decode(&message_get, payload, header->payload_len, &get) < 0)
        return -EBADMSG;
    request.service = config_service(connection->sessions->config, get.service.at, get.service.len);
    request.min_ttl_s = get.min_ttl_s;
    request.timeout_ms = timeout_of(get.timeout_ms);
    request.rejected = get.rejected;
    request.known = get.known;
    request.wait_ms = get.wait_ms;
    connection->is_last = get.is_last;
    if (request.service)
        serve(connection, &request);
    else
        refuse(connection, &request, PODLOGIN_UNKNOWN_SERVICE, "");
    return 0;
}

int request_whoami(struct connection *connection, const struct wire_header *header,
                   const uint8_t *payload)
{
    struct message_whoami whoami;
    struct request request = {.id = header->id, .is_whoami = true};

    if (wire_decode(&message_whoami, payload, header->payload_len, &whoami) < 0)
        return -EBADMSG;
    request.timeout_ms = timeout_of(whoami.timeout_ms);
    serve(connection, &request);
    return 0;
}
