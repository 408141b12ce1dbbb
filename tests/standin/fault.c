#include "standin/fault.h"

#include <string.h>

#include "standin/encoding.h"
#include "standin/memory.h"

#define GARBAGE_BYTES  512
#define SLOW_BYTES     (64 * 1024)
#define LATENCY_MAX_MS (3600 * 1000)

static const char *const kind_names[FAULT_KINDS] = {
    [FAULT_NONE] = "none",   [FAULT_STATUS] = "status",       [FAULT_RESET] = "reset",
    [FAULT_HANG] = "hang",   [FAULT_GARBAGE] = "garbage",     [FAULT_HUGE] = "huge",
    [FAULT_EMPTY] = "empty", [FAULT_SLOW_BODY] = "slow-body", [FAULT_HTML] = "html",
    [FAULT_ERROR] = "error",
};

static char *copy_or_null(const char *text)
{
    return text ? must_copy(text) : NULL;
}

static bool is_text_or_null(const json_t *value)
{
    return !value || json_is_null(value) || json_is_string(value);
}

char *fault_set(struct fault *fault, json_t *json)
{
    int status = 0, latency_ms = 0, latency_jitter_ms = 0, times = 0;
    json_t *retry_after = NULL;
    json_t *body = NULL;
    const char *name = "none", *error = NULL;
    json_error_t json_error;
    int kind = 0;

    if (json_unpack_ex(json, &json_error, JSON_STRICT, "{s?s, s?s, s?i, s?o, s?o, s?i, s?i, s?i}",
                       "kind", &name, "error", &error, "status", &status, "retry_after",
                       &retry_after, "body", &body, "latency_ms", &latency_ms, "latency_jitter_ms",
                       &latency_jitter_ms, "times", &times) < 0)
        return must_copy(json_error.text);
    while (kind < FAULT_KINDS && strcmp(kind_names[kind], name) != 0)
        kind++;
    if (kind == FAULT_KINDS)
        return must_print("unknown kind: %s", name);
    if (!error != (kind != FAULT_ERROR))
        return must_copy("error goes with the kind error");
    if (!is_text_or_null(retry_after) || !is_text_or_null(body))
        return must_copy("retry_after and body are strings or null");
    if (status != 0 && (status < 200 || status > 599))
        return must_copy("status is outside 200..599");
    if (latency_ms < 0 || latency_ms > LATENCY_MAX_MS || latency_jitter_ms < 0 ||
        latency_jitter_ms > LATENCY_MAX_MS || times < 0)
        return must_copy("a number is out of range");

    fault_done(fault);
    *fault = (struct fault){
        .kind = (enum fault_kind)kind,
        .status = (unsigned)status,
        .retry_after = copy_or_null(json_string_value(retry_after)),
        .body = copy_or_null(json_string_value(body)),
        .error = copy_or_null(error),
        .latency_ms = (uint32_t)latency_ms,
        .latency_jitter_ms = (uint32_t)latency_jitter_ms,
        .times = (unsigned)times,
        .generation = fault->generation + 1,
    };
    return NULL;
}

void fault_draw(struct fault *fault, struct fault_plan *ret_plan)
{
    uint32_t random;

    random_bytes(&random, sizeof(random));
    *ret_plan = (struct fault_plan){
        .kind = fault->kind,
        .delay_ms = fault->latency_ms + random % (fault->latency_jitter_ms + 1),
        .generation = fault->generation,
    };
    if (fault->kind == FAULT_NONE)
        return;
    ret_plan->status = fault->status;
    ret_plan->retry_after = copy_or_null(fault->retry_after);
    ret_plan->body = copy_or_null(fault->body);
    ret_plan->error = copy_or_null(fault->error);
    /* The generation stays, so that requests that hang continue to hang. */
    if (fault->times > 0 && --fault->times == 0)
        fault->kind = FAULT_NONE;
}

static void reply_status(const struct fault_plan *plan, struct reply *reply)
{
    unsigned status = plan->status ? plan->status : 503;

    if (plan->body)
        reply_text(reply, status, "application/json", must_copy(plan->body));
    else
        reply_oauth_error(reply, status, "server_error", "internal server error");
}

static void reply_bytes(struct reply *reply, unsigned status, char *bytes, size_t len)
{
    reply->status = status;
    reply->content_type = "application/json";
    reply->body = bytes;
    reply->body_bytes = len;
}

static char *garbage(void)
{
    char *bytes = must_alloc(GARBAGE_BYTES);

    random_bytes(bytes, GARBAGE_BYTES);
    return bytes;
}

static void reply_slow(const struct fault_plan *plan, unsigned status, struct reply *reply)
{
    char *blanks;

    reply->kind = REPLY_SLOW;
    if (plan->body) {
        reply_text(reply, status, "application/json", must_copy(plan->body));
        return;
    }
    blanks = must_alloc(SLOW_BYTES);
    memset(blanks, ' ', SLOW_BYTES); /* JSON may begin with them: no parser rejects these early */
    reply_bytes(reply, status, blanks, SLOW_BYTES);
}

void fault_reply(const struct fault_plan *plan, struct reply *reply)
{
    static const char page[] = "<!DOCTYPE html>\n<html><head><title>Blocked</title></head>"
                               "<body><h1>Request blocked</h1></body></html>\n";
    unsigned status = plan->status ? plan->status : 200;

    reply->retry_after = copy_or_null(plan->retry_after);
    switch (plan->kind) {
    case FAULT_STATUS:
        reply_status(plan, reply);
        break;
    case FAULT_GARBAGE:
        reply_bytes(reply, status, garbage(), GARBAGE_BYTES);
        break;
    case FAULT_EMPTY:
        reply_text(reply, status, "application/json", must_copy(""));
        break;
    case FAULT_HTML:
        reply_text(reply, status, "text/html", must_copy(plan->body ? plan->body : page));
        break;
    case FAULT_SLOW_BODY:
        reply_slow(plan, status, reply);
        break;
    case FAULT_HUGE:
        reply->kind = REPLY_HUGE;
        reply->status = status;
        reply->content_type = "application/json";
        break;
    case FAULT_NONE:
    case FAULT_RESET:
    case FAULT_HANG:
    case FAULT_ERROR:
    case FAULT_KINDS:
        reply->kind = REPLY_RESET;
        break;
    }
}

void fault_done(struct fault *fault)
{
    free(fault->retry_after);
    free(fault->body);
    free(fault->error);
}

void fault_plan_done(struct fault_plan *plan)
{
    free(plan->retry_after);
    free(plan->body);
    free(plan->error);
}
