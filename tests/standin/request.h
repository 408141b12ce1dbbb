/* One HTTP request, from its first byte to the end of its response. */
#ifndef STANDIN_REQUEST_H
#define STANDIN_REQUEST_H

#include <jansson.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

#include "standin/fault.h"
#include "standin/reply.h"
#include "standin/waiting.h"

struct listener;
struct request;
struct standin;

/* What a listener serves. The functions run in the listener's own thread. */
struct service {
    size_t body_max_bytes; /* beyond it the answer is 413 */

    /* The request is complete: count it, note it. Its answer may be long in coming. Or NULL. */
    void (*on_received)(struct standin *standin, struct request *request);

    /* It is time to answer, and no fault stands in the way. */
    void (*on_answer)(struct standin *standin, struct request *request, struct reply *reply);

    /* The request ends, answered or not. Called once for each on_received. Or NULL. */
    void (*on_finished)(struct standin *standin, struct request *request);
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

struct request *request_new(struct listener *listener, struct MHD_Connection *connection,
                            const char *method, const char *path);
void request_free(struct request *request);

/* Adds bytes of the body. Returns false when the peer sends too much and has to be stopped. */
bool request_append(struct request *request, const char *bytes, size_t len);

/*
 * Continues with a request whose body is complete: draws its fault, suspends it until its answer is
 * due, answers it. Called again after each suspension.
 */
enum MHD_Result request_continue(struct request *request);

#endif
