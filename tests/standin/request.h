/* One HTTP request, from its first byte to the end of its response. */
#ifndef STANDIN_REQUEST_H
#define STANDIN_REQUEST_H

#include <jansson.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

#include "standin/fault.h"
#include "standin/reply.h"
#include "standin/wait_queue.h"

struct listener;
struct request;
struct standin;

/* What a listener serves. The functions run in the listener's own thread. */
struct service {
    size_t body_max_bytes; /* a larger body gets a 413 */

    /* The request is complete; the service counts it. The answer may follow much later. Or NULL. */
    void (*on_received)(struct standin *standin, struct request *request);

    /* The latency has passed and there is no fault: the service answers. */
    void (*on_answer)(struct standin *standin, struct request *request, struct reply *reply);

    /* Answers with the error that the fault plan names. Or NULL: the connection is reset. */
    void (*on_error)(const struct request *request, struct reply *reply);

    /* The request ends, with or without an answer. Once for each on_received. Or NULL. */
    void (*on_finished)(struct standin *standin, struct request *request);
};

enum request_state {
    REQUEST_READING,
    REQUEST_WAITING,  /* until its latency has passed */
    REQUEST_HANGING,  /* until the fault changes */
    REQUEST_ANSWERED, /* or reset */
};

struct request {
    struct listener *listener;
    struct MHD_Connection *connection;
    enum request_state state;
    char *method;
    char *path; /* "" when it is not UTF-8 */
    char *body; /* followed by a NUL that body_bytes does not count */
    size_t body_bytes;
    size_t received_bytes; /* including dropped ones */
    bool is_too_large;     /* the body is dropped */
    struct fault_plan plan;
    struct wait wait;
    json_t *note; /* for the service, released with the request */
};

/*
 * Returns the value of a header or a query parameter, or NULL. It lives as long as the request. A
 * header that is not UTF-8 is as good as none, because JSON could not repeat it.
 */
const char *request_header(const struct request *request, const char *name);
const char *request_parameter(const struct request *request, const char *name);

struct request *request_new(struct listener *listener, struct MHD_Connection *connection,
                            const char *method, const char *path);
void request_free(struct request *request);

/* Appends to the body. Returns false when the connection has to be closed, as the body is huge. */
bool request_append(struct request *request, const char *bytes, size_t len);

/*
 * Continues a request whose body is complete: makes its fault plan, suspends it until its answer is
 * due, answers it. The listener calls this again after each suspension.
 */
enum MHD_Result request_continue(struct request *request);

#endif
