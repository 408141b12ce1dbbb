/* One request of a client: it is judged, and answered at once if possible. */
#ifndef SESSION_REQUEST_H
#define SESSION_REQUEST_H

#include "admission/admission.h"
#include "session/connection.h"

/* What a client asks for. */
struct request {
    uint16_t id;
    uint64_t waits_since_usec; /* by the boot clock; 0: it did not have to wait */
    bool is_whoami;
    const struct service *service; /* NULL: whoami, or the name is not configured */
    uint32_t min_ttl_s;
    uint32_t timeout_ms;
    uint64_t rejected; /* fingerprints of tokens, and a time, as in struct message_get */
    uint64_t known;
    uint32_t wait_ms;
    struct identity *identity; /* the connection's; a pending request holds a reference */
    enum newer_keys newer_keys;
};

/* What a request needs before it can be answered. */
enum need {
    NEED_NOTHING, /* it was answered */
    NEED_KEYS,
    NEED_REVIEW,
    NEED_EXCHANGE,
    NEED_RENEWAL, /* the client has the token that there is, and waits for another one */
};

/* Handle the payload of a frame. Return 0; or -EBADMSG if it is malformed. */
int request_get(struct connection *connection, const struct wire_header *header,
                const uint8_t *payload);
int request_whoami(struct connection *connection, const struct wire_header *header,
                   const uint8_t *payload);

/*
 * Judges the request, and answers it unless it needs something first. This is the whole hit path.
 */
enum need request_answer(struct connection *connection, const struct request *request);

/*
 * Answers with @token, which was exchanged while the request waited. Judges the request again,
 * because time has passed, and the configuration or the keys may have changed. @source: an enum
 * token_source. Never returns NEED_EXCHANGE or NEED_RENEWAL.
 */
enum need request_answer_exchanged(struct connection *connection, const struct request *request,
                                   const struct token *token, uint32_t source);

/* Answers with @refusal, and writes the audit line. */
void request_refuse(struct connection *connection, const struct request *request,
                    const struct refusal *refusal);

#endif
