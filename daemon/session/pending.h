/*
 * A request that waits: for keys of its issuer, for a review of its token, for an exchange. It has
 * a deadline, and is answered by then.
 */
#ifndef PENDING_H
#define PENDING_H

#include "session/request.h"

enum pending_state {
    PENDING_NEW, /* it waits for nothing yet */
    PENDING_KEYS,
    PENDING_REVIEW,
    PENDING_EXCHANGE,
    PENDING_STATES,
};

struct pending {
    struct list node; /* of its connection */
    struct connection *connection;
    enum pending_state state;
    struct request request; /* with references to identity and service */
    struct timer deadline;
    struct broker_waiter waiter; /* its waiter waits for whatever the state says */
    bool is_miss;                /* an exchange was begun for it, which its pod's quota counts */
};

/*
 * Makes @request wait for @need, or answers it where that is impossible. Returns 0, or -ENOMEM:
 * then it is not answered. The connection may be broken, but is not freed.
 */
int pending_begin(struct connection *connection, const struct request *request, enum need need);

/* Goes over to @config; is answered, and over, if its service is gone or has other settings. */
void pending_reload(struct pending *pending, const struct config *config);

/* Nobody is answered. */
void pending_free(struct pending *pending);

#endif
