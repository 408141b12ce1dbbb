/* One HTTP or HTTPS listener on loopback, and the life of a request from first byte to last. */
#ifndef STANDIN_LISTENER_H
#define STANDIN_LISTENER_H

#include <jansson.h>
#include <microhttpd.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "standin/ca.h"
#include "standin/fault.h"
#include "standin/reply.h"
#include "standin/waiting.h"

struct standin;
struct request;

/* What a listener serves. The functions run in the listener's own thread. */
struct service {
    size_t body_max_bytes; /* beyond it the answer is 413 */

    /* The faults of this service, or NULL. Read and changed under the lock. */
    struct fault *fault;

    /* The request is complete: count it, note it. Its answer may be long in coming. Or NULL. */
    void (*on_received)(struct standin *standin, struct request *request);

    /* It is time to answer, and no fault stands in the way. */
    void (*on_answer)(struct standin *standin, struct request *request, struct reply *reply);

    /* The request ends, answered or not. Called once for each on_received. Or NULL. */
    void (*on_finished)(struct standin *standin, struct request *request);
};

struct listener {
    struct standin *standin;
    struct service service;
    struct MHD_Daemon *daemon;
    uint16_t port;
    atomic_ullong connections; /* accepted since start or the latest reset */
};

enum request_state {
    REQUEST_READING,
    REQUEST_WAITING,  /* for the end of its latency */
    REQUEST_HANGING,  /* until the fault is changed */
    REQUEST_ANSWERED, /* or given up */
};

struct request {
    struct listener *listener;
    struct MHD_Connection *connection;
    enum request_state state;
    char *method;
    char *path;
    char *body; /* has a NUL behind its end */
    size_t body_bytes;
    size_t received_bytes; /* also those that were dropped */
    bool is_too_large;     /* the body was dropped */
    struct fault_plan plan;
    struct wait wait;
    json_t *note; /* the service's own, released with the request */
};

/* Returns the value of a header or a query parameter, or NULL. It lives as long as the request. */
const char *request_header(const struct request *request, const char *name);
const char *request_parameter(const struct request *request, const char *name);

/*
 * Starts to listen on 127.0.0.1.
 *
 * @listener:    has its standin and service set.
 * @port:        0 lets the kernel choose; listener->port tells which it is.
 * @certificate: NULL for plain HTTP; has to outlive the listener.
 *
 * Returns 0, or -EADDRINUSE for whatever libmicrohttpd did not like.
 */
int listener_start(struct listener *listener, uint16_t port, const struct certificate *certificate);

/* waiting_stop() has to come first. */
void listener_stop(struct listener *listener);

#endif
