/* One request: judged, answered at once if it can be, else kept until keys or a token are there. */
#ifndef REQUEST_H
#define REQUEST_H

#include "session/connection.h"

/* What the client asks for. */
struct request {
    uint16_t id;
    bool is_whoami;
    const struct service *service; /* NULL with is_whoami */
    uint32_t min_ttl_s;
    uint32_t timeout_ms;
    struct identity *identity; /* the connection's at the time; a request that waits has its own */
    bool may_wait_for_keys;
};

/* One that waits. */
struct pending {
    struct list node; /* of its connection */
    struct connection *connection;
    struct request ask;
    struct timer deadline;
    struct key_waiter key_waiter;
    struct review_waiter review_waiter;
    struct broker_waiter broker_waiter;
    bool is_miss; /* an exchange was begun for it, which its pod's account counts */
};

/* Handle a frame's payload: 0, or -EBADMSG if it is none of that type. */
int request_get(struct connection *connection, const struct wire_header *header,
                const uint8_t *payload);
int request_whoami(struct connection *connection, const struct wire_header *header,
                   const uint8_t *payload);

/* Goes over to @config; is answered and over if its service is gone or changed. */
void request_reload(struct pending *request, const struct config *config);

void request_free(struct pending *request);

#endif
