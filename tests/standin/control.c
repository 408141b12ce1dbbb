#include "standin/control.h"

#include <string.h>

#include "standin/memory.h"
#include "standin/standin.h"

/* Tests serve hostile key sets that are far larger than real ones. */
#define BODY_MAX_BYTES (16 * 1024 * 1024)

char *call_answer(struct call *call, json_t *json)
{
    reply_json(call->reply, 200, must(json));
    return NULL;
}

/* Resets the connections that the old fault left hanging. */
static char *call_set_fault(struct call *call, struct fault *fault)
{
    char *error;

    pthread_mutex_lock(&call->standin->lock);
    error = fault_set(fault, call->in);
    if (!error)
        wait_queue_release(&call->standin->wait_queue, fault);
    pthread_mutex_unlock(&call->standin->lock);
    return error;
}

static char *on_upstream_fault(struct call *call)
{
    return call_set_fault(call, &call->standin->faults[LISTENER_UPSTREAM]);
}

static char *on_issuer_fault(struct call *call)
{
    return call_set_fault(call, &call->standin->faults[LISTENER_ISSUER]);
}

static char *on_counts(struct call *call)
{
    json_t *report;

    pthread_mutex_lock(&call->standin->lock);
    report = counts_report(call->standin);
    pthread_mutex_unlock(&call->standin->lock);
    return call_answer(call, report);
}

static char *on_counts_reset(struct call *call)
{
    pthread_mutex_lock(&call->standin->lock);
    counts_reset(call->standin);
    pthread_mutex_unlock(&call->standin->lock);
    return NULL;
}

static char *on_last_exchange(struct call *call)
{
    json_t *last;

    pthread_mutex_lock(&call->standin->lock);
    last = json_deep_copy(call->standin->last_exchange);
    pthread_mutex_unlock(&call->standin->lock);
    return call_answer(call, last);
}

static const struct route common_routes[] = {
    {"PUT", "/faults/upstream", on_upstream_fault},
    {"PUT", "/faults/issuer", on_issuer_fault},
    {"GET", "/counts", on_counts},
    {"POST", "/counts/reset", on_counts_reset},
    {"GET", "/last-exchange", on_last_exchange},
    {0},
};

static const struct route *route_find(const struct request *request)
{
    static const struct route *const tables[] = {common_routes, issuer_routes, upstream_routes,
                                                 pulumi_routes};

    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        for (const struct route *route = tables[i]; route->run; route++)
            if (strcmp(route->method, request->method) == 0 &&
                strcmp(route->path, request->path) == 0)
                return route;
    return NULL;
}

/* An empty body counts as {}. */
static char *input_read(const struct request *request, json_t **ret_in)
{
    const size_t flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL;
    json_error_t json_error;
    json_t *in;

    if (request->body_bytes == 0) {
        *ret_in = must(json_object());
        return NULL;
    }
    in = json_loadb(request->body, request->body_bytes, flags, &json_error);
    if (!in)
        return must_print("not JSON: %s", json_error.text);
    *ret_in = in;
    return NULL;
}

static void control_answer(struct standin *standin, struct request *request, struct reply *reply)
{
    const struct route *route = route_find(request);
    struct call call = {.standin = standin, .request = request, .reply = reply};
    CLEANUP(freep) char *error = NULL;

    if (!route) {
        error = must_print("no such call: %s %s", request->method, request->path);
    } else {
        reply_json(reply, 200, must(json_object()));
        error = input_read(request, &call.in);
        if (!error)
            error = route->run(&call);
    }
    json_decref(call.in);
    if (error)
        reply_json(reply, 400, must(json_pack("{s:s}", "error", error)));
}

const struct service control_service = {
    .body_max_bytes = BODY_MAX_BYTES,
    .on_answer = control_answer,
};
