/* One request of a client: judged, and answered at once if it can be. */
#ifndef REQUEST_H
#define REQUEST_H

#include "admission/admission.h"
#include "session/connection.h"

/* What the client asks for. */
struct request {
    uint16_t id;
    bool is_whoami;
    const struct service *service; /* NULL: whoami, or a name that is not configured */
    uint32_t min_ttl_s;
    uint32_t timeout_ms;
    struct identity *identity; /* the connection's; one that waits has a reference of its own */
    bool may_wait_for_keys;
};

/* What a request lacks for its answer. */
enum need {
    NEED_NOTHING, /* it is answered */
    NEED_KEYS,
    NEED_REVIEW,
    NEED_EXCHANGE,
};

/* Handle a frame's payload. Return 0, or -EBADMSG if it is none of that type. */
int request_get(struct connection *connection, const struct wire_header *header,
                const uint8_t *payload);
int request_whoami(struct connection *connection, const struct wire_header *header,
                   const uint8_t *payload);

/* Judges the request, and answers it unless it lacks something. This is the whole hit path. */
enum need request_answer(struct connection *connection, const struct request *request);

/*
 * Answers with @token, which was exchanged while the request waited; @source is an enum
 * token_source. The request is judged again: time has passed, and the configuration or the keys
 * may have changed.
 */
enum need request_answer_exchanged(struct connection *connection, const struct request *request,
                                   const struct token *token, uint32_t source);

void request_refuse(struct connection *connection, const struct request *request,
                    const struct refusal *refusal);

#endif
