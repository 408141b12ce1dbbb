#include "standin/control.h"

#include <string.h>
#include <time.h>

#include "standin/memory.h"
#include "standin/mint.h"
#include "standin/pulumi/policy.h"
#include "standin/standin.h"

/* Room for hostile key sets that are far larger than any real one. */
#define BODY_MAX_BYTES (16 * 1024 * 1024)

/* One call: its input, and where its answer goes. */
struct call {
    struct standin *standin;
    const struct request *request;
    json_t *in;
    struct reply *reply; /* {} with 200 unless the function sets something else */
};

/* Does the call. Returns NULL, or why it is refused, which is freed after the answer. */
struct route {
    const char *method;
    const char *path;
    char *(*run)(struct call *call);
};

/* Takes @json as the answer. Returns NULL, so that a function can end with it. */
static char *answer(struct call *call, json_t *json)
{
    reply_json(call->reply, 200, must(json));
    return NULL;
}

static char *on_mint(struct call *call)
{
    CLEANUP(json_decrefp) json_t *tokens = NULL;
    const char *raw = request_parameter(call->request, "raw");
    bool is_single = !json_object_get(call->in, "count");
    char *wrong = mint(call->standin, call->in, &tokens);

    if (wrong)
        return wrong;
    if (raw && strcmp(raw, "1") == 0) {
        if (!is_single)
            return must_copy("raw is for a single token");
        reply_text(call->reply, 200, "text/plain",
                   must_copy(json_string_value(json_array_get(tokens, 0))));
        return NULL;
    }
    if (is_single)
        return answer(call, json_pack("{s:O}", "token", json_array_get(tokens, 0)));
    return answer(call, json_pack("{s:O}", "tokens", tokens));
}

static char *on_rotate(struct call *call)
{
    const struct jws_algorithm *algorithm;
    const char *name = "RS256";
    json_error_t error;
    struct key *key;
    int keep_old = 1;
    json_t *out;

    if (json_unpack_ex(call->in, &error, JSON_STRICT, "{s?b, s?s}", "keep_old", &keep_old, "alg",
                       &name) < 0)
        return must_copy(error.text);
    algorithm = jws_algorithm_find(name);
    if (!algorithm)
        return must_print("unknown alg: %s", name);
    key = keyring_rotate(&call->standin->keyring, algorithm, keep_old);
    if (!key)
        return must_copy("cannot make a key");
    out = json_pack("{s:s}", "kid", key->kid);
    key_unref(key);
    return answer(call, out);
}

static char *set_document(struct call *call, struct issuer_document *document)
{
    json_error_t error;
    json_t *body = NULL;

    if (json_unpack_ex(call->in, &error, JSON_STRICT, "{s?o}", "body", &body) < 0)
        return must_copy(error.text);
    if (body && !json_is_string(body))
        return must_copy("body is not a string");
    pthread_mutex_lock(&call->standin->lock);
    free(document->body);
    *document = (struct issuer_document){0};
    if (body) {
        document->body_bytes = json_string_length(body);
        document->body = must_alloc(document->body_bytes + 1);
        memcpy(document->body, json_string_value(body), document->body_bytes);
    }
    pthread_mutex_unlock(&call->standin->lock);
    return NULL;
}

static char *on_keys_document(struct call *call)
{
    return set_document(call, &call->standin->issuer.keys);
}

static char *on_discovery_document(struct call *call)
{
    return set_document(call, &call->standin->issuer.discovery);
}

static char *on_issuer_cache(struct call *call)
{
    json_t *max_age;
    json_error_t error;

    if (json_unpack_ex(call->in, &error, JSON_STRICT, "{s:o}", "max_age", &max_age) < 0)
        return must_copy(error.text);
    if (!json_is_null(max_age) &&
        (json_integer_value(max_age) < 0 || json_integer_value(max_age) > INT32_MAX ||
         !json_is_integer(max_age)))
        return must_copy("max_age is neither a number of seconds nor null");
    pthread_mutex_lock(&call->standin->lock);
    call->standin->issuer.max_age_s = json_is_null(max_age) ? -1 : (int)json_integer_value(max_age);
    pthread_mutex_unlock(&call->standin->lock);
    return NULL;
}

static char *on_policies_get(struct call *call)
{
    json_t *policies;

    pthread_mutex_lock(&call->standin->lock);
    policies = json_deep_copy(call->standin->pulumi.policies);
    pthread_mutex_unlock(&call->standin->lock);
    return answer(call, json_pack("{s:o}", "policies", policies));
}

static char *on_policies_put(struct call *call)
{
    CLEANUP(json_decrefp) json_t *policies = NULL;
    const char *preset = NULL;
    json_t *given = NULL;
    json_error_t error;
    json_t *old;
    char *wrong;

    if (json_unpack_ex(call->in, &error, JSON_STRICT, "{s?o, s?s}", "policies", &given, "preset",
                       &preset) < 0)
        return must_copy(error.text);
    if (!given == !preset)
        return must_copy("either policies or preset");
    if (preset && strcmp(preset, "allow-all") != 0 && strcmp(preset, "default") != 0)
        return must_print("unknown preset: %s", preset);
    if (preset)
        policies = strcmp(preset, "default") == 0 ? policies_default() : policies_allow_all();
    else
        policies = json_incref(given);
    wrong = policies_check(policies);
    if (wrong)
        return wrong;
    pthread_mutex_lock(&call->standin->lock);
    old = call->standin->pulumi.policies;
    call->standin->pulumi.policies = TAKE_PTR(policies);
    pthread_mutex_unlock(&call->standin->lock);
    json_decref(old);
    return NULL;
}

static char *check_organizations(const json_t *organizations)
{
    json_t *name;
    size_t i;

    if (!json_is_array(organizations))
        return must_copy("organizations is not an array");
    json_array_foreach(organizations, i, name)
    {
        if (!json_is_string(name) || json_string_length(name) == 0)
            return must_copy("an organization is not a name");
    }
    return NULL;
}

static char *on_upstream(struct call *call)
{
    struct pulumi *pulumi = &call->standin->pulumi;
    json_int_t expires_in = -1, token_bytes = -1;
    json_t *organizations = NULL;
    json_error_t error;
    char *wrong;

    if (json_unpack_ex(call->in, &error, JSON_STRICT, "{s?I, s?I, s?o}", "expires_in", &expires_in,
                       "token_bytes", &token_bytes, "organizations", &organizations) < 0)
        return must_copy(error.text);
    if (json_object_get(call->in, "expires_in") && (expires_in < 1 || expires_in > INT32_MAX))
        return must_copy("expires_in is out of range");
    if (json_object_get(call->in, "token_bytes") &&
        (token_bytes < 0 || token_bytes > BODY_MAX_BYTES))
        return must_copy("token_bytes is out of range");
    wrong = organizations ? check_organizations(organizations) : NULL;
    if (wrong)
        return wrong;
    pthread_mutex_lock(&call->standin->lock);
    if (expires_in >= 0)
        pulumi->expires_in_max_s = expires_in;
    if (token_bytes >= 0)
        pulumi->token_bytes = (size_t)token_bytes;
    if (organizations) {
        json_decref(pulumi->organizations);
        pulumi->organizations = json_incref(organizations);
    }
    pthread_mutex_unlock(&call->standin->lock);
    return NULL;
}

/* Connections that hang by the old fault are reset. */
static char *set_fault(struct call *call, struct fault *fault)
{
    char *wrong;

    pthread_mutex_lock(&call->standin->lock);
    wrong = fault_set(fault, call->in);
    if (!wrong)
        waiting_release(&call->standin->waiting, fault);
    pthread_mutex_unlock(&call->standin->lock);
    return wrong;
}

static char *on_upstream_fault(struct call *call)
{
    return set_fault(call, &call->standin->faults[LISTENER_UPSTREAM]);
}

static char *on_issuer_fault(struct call *call)
{
    return set_fault(call, &call->standin->faults[LISTENER_ISSUER]);
}

static char *on_counts(struct call *call)
{
    json_t *report;

    pthread_mutex_lock(&call->standin->lock);
    report = counts_report(call->standin);
    pthread_mutex_unlock(&call->standin->lock);
    return answer(call, report);
}

static char *on_counts_reset(struct call *call)
{
    pthread_mutex_lock(&call->standin->lock);
    counts_reset(call->standin);
    pthread_mutex_unlock(&call->standin->lock);
    return NULL;
}

static char *on_tokens(struct call *call)
{
    CLEANUP(json_decrefp) json_t *list = NULL;

    pthread_mutex_lock(&call->standin->lock);
    list = tokens_list(&call->standin->pulumi.tokens); /* its records never change */
    pthread_mutex_unlock(&call->standin->lock);
    return answer(call, json_pack("{s:O}", "tokens", list));
}

static char *on_issued(struct call *call)
{
    const char *value = request_parameter(call->request, "token");
    json_t *found = NULL;
    json_t *record;

    if (!value)
        return must_copy("the parameter token is missing");
    pthread_mutex_lock(&call->standin->lock);
    record = tokens_find(&call->standin->pulumi.tokens, value);
    if (record) {
        found = must(json_deep_copy(record));
        must_json(json_object_set_new(
            found, "valid",
            json_boolean(tokens_find_valid(&call->standin->pulumi.tokens, value, time(NULL)))));
    }
    pthread_mutex_unlock(&call->standin->lock);
    if (found)
        return answer(call, found);
    reply_json(call->reply, 404, must(json_pack("{s:s}", "error", "no such token was issued")));
    return NULL;
}

static char *on_last_exchange(struct call *call)
{
    json_t *last;

    pthread_mutex_lock(&call->standin->lock);
    last = json_deep_copy(call->standin->last_exchange);
    pthread_mutex_unlock(&call->standin->lock);
    return answer(call, last);
}

static char *on_revoke(struct call *call)
{
    const char *uid = NULL;
    json_error_t error;

    if (json_unpack_ex(call->in, &error, JSON_STRICT, "{s?s}", "uid", &uid) < 0)
        return must_copy(error.text);
    pthread_mutex_lock(&call->standin->lock);
    if (uid)
        must_json(json_object_set_new(call->standin->issuer.revoked, uid, json_true()));
    else
        json_object_clear(call->standin->issuer.revoked);
    pthread_mutex_unlock(&call->standin->lock);
    return NULL;
}

static const struct route routes[] = {
    {"POST", "/mint", on_mint},
    {"POST", "/keys/rotate", on_rotate},
    {"PUT", "/keys/document", on_keys_document},
    {"PUT", "/discovery/document", on_discovery_document},
    {"PUT", "/issuer/cache", on_issuer_cache},
    {"POST", "/revoke", on_revoke},
    {"GET", "/policies", on_policies_get},
    {"PUT", "/policies", on_policies_put},
    {"PUT", "/upstream", on_upstream},
    {"PUT", "/faults/upstream", on_upstream_fault},
    {"PUT", "/faults/issuer", on_issuer_fault},
    {"GET", "/counts", on_counts},
    {"POST", "/counts/reset", on_counts_reset},
    {"GET", "/tokens", on_tokens},
    {"GET", "/issued", on_issued},
    {"GET", "/last-exchange", on_last_exchange},
};

static const struct route *route_find(const struct request *request)
{
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
        if (strcmp(routes[i].method, request->method) == 0 &&
            strcmp(routes[i].path, request->path) == 0)
            return &routes[i];
    return NULL;
}

/* An empty body counts as {}. */
static char *read_input(const struct request *request, json_t **ret_in)
{
    const size_t flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL;
    json_error_t error;
    json_t *in;

    if (request->body_bytes == 0) {
        *ret_in = must(json_object());
        return NULL;
    }
    in = json_loadb(request->body, request->body_bytes, flags, &error);
    if (!in)
        return must_print("not JSON: %s", error.text);
    *ret_in = in;
    return NULL;
}

static void on_answer(struct standin *standin, struct request *request, struct reply *reply)
{
    const struct route *route = route_find(request);
    struct call call = {.standin = standin, .request = request, .reply = reply};
    CLEANUP(freep) char *wrong = NULL;

    if (!route) {
        wrong = must_print("no such call: %s %s", request->method, request->path);
    } else {
        reply_json(reply, 200, must(json_object()));
        wrong = read_input(request, &call.in);
        if (!wrong)
            wrong = route->run(&call);
    }
    json_decref(call.in);
    if (wrong)
        reply_json(reply, 400, must(json_pack("{s:s}", "error", wrong)));
}

const struct service control_service = {
    .body_max_bytes = BODY_MAX_BYTES,
    .on_answer = on_answer,
};
