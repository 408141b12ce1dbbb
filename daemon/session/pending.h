/*
 * A pending request: one that waits for its issuer's keys, for a review of its token, or for an
 * exchange. It has a deadline, and is answered by then.
 */
#ifndef SESSION_PENDING_H
#define SESSION_PENDING_H

#include "session/request.h"

enum pending_state {
    PENDING_NEW, /* not waiting yet */
    PENDING_KEYS,
    PENDING_REVIEW,
    PENDING_EXCHANGE,
    PENDING_RENEWAL, /* its client has a token, and waits for another one */
    PENDING_STATES,
};

struct pending {
    struct list node; /* in connection.pending */
    struct connection *connection;
    enum pending_state state;
    struct request request; /* holds references to identity and service */
    struct timer deadline;
    struct broker_waiter waiter; /* waits for what the state says */
    bool is_miss;                /* it leads an exchange, which counts towards its pod's quota */
};

/*
 * Makes @request wait for @need, or answers it if it cannot wait.
 *
 * Returns 0; or -ENOMEM, without an answer. The connection may be broken afterwards, but is not
 * freed.
 */
int pending_begin(struct connection *connection, const struct request *request, enum need need);

/*
 * Applies a new configuration. If the service was removed or changed, answers and frees the
 * request.
 */
void pending_reload(struct pending *pending, const struct config *config);

/* Frees the request without an answer. */
void pending_free(struct pending *pending);

#endif
