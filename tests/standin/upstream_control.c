/*
 * The calls that control all upstreams: settings, trusted issuers, who is admitted, issued tokens,
 * recorded calls.
 */
#include <string.h>

#include "standin/admissions.h"
#include "standin/control.h"
#include "standin/memory.h"
#include "standin/standin.h"

#define TOKEN_BYTES_MAX (16 * 1024 * 1024)

static char *organizations_check(const json_t *organizations)
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
    struct tokens *tokens = &call->standin->tokens;
    json_int_t expires_in = -1, token_bytes = -1;
    json_t *organizations = NULL;
    json_error_t json_error;
    char *error;

    if (json_unpack_ex(call->in, &json_error, JSON_STRICT, "{s?I, s?I, s?o}", "expires_in",
                       &expires_in, "token_bytes", &token_bytes, "organizations",
                       &organizations) < 0)
        return must_copy(json_error.text);
    if (json_object_get(call->in, "expires_in") && (expires_in < 1 || expires_in > INT32_MAX))
        return must_copy("expires_in is out of range");
    if (json_object_get(call->in, "token_bytes") &&
        (token_bytes < 0 || token_bytes > TOKEN_BYTES_MAX))
        return must_copy("token_bytes is out of range");
    error = organizations ? organizations_check(organizations) : NULL;
    if (error)
        return error;
    pthread_mutex_lock(&call->standin->lock);
    if (expires_in >= 0)
        tokens->expires_in_max_s = expires_in;
    if (token_bytes >= 0)
        tokens->bytes_min = (size_t)token_bytes;
    if (organizations) {
        json_decref(pulumi->organizations);
        pulumi->organizations = json_incref(organizations);
    }
    pthread_mutex_unlock(&call->standin->lock);
    return NULL;
}

static char *on_tokens(struct call *call)
{
    CLEANUP(json_decrefp) json_t *list = NULL;

    pthread_mutex_lock(&call->standin->lock);
    list = tokens_list(&call->standin->tokens); /* its records never change */
    pthread_mutex_unlock(&call->standin->lock);
    return call_answer(call, json_pack("{s:O}", "tokens", list));
}

/* Whether a parameter of the call says the same as the record, or is not there. */
static bool says_the_same(const struct call *call, const json_t *record, const char *name)
{
    const char *claimed = request_parameter(call->request, name);
    const char *issued = token_member(record, name);

    return !claimed || (issued && strcmp(claimed, issued) == 0);
}

static char *on_issued(struct call *call)
{
    const char *value = request_parameter(call->request, "token");
    json_t *found = NULL;
    const json_t *record;

    if (!value)
        return must_copy("the parameter token is missing");
    pthread_mutex_lock(&call->standin->lock);
    record = tokens_find(&call->standin->tokens, value);
    if (record) {
        found = must(json_deep_copy(record));
        must_json(json_object_set_new(
            found, "valid",
            json_boolean(token_is_valid(record) && says_the_same(call, record, "access_key_id") &&
                         says_the_same(call, record, "secret_access_key"))));
    }
    pthread_mutex_unlock(&call->standin->lock);
    if (found)
        return call_answer(call, found);
    reply_json(call->reply, 404, must(json_pack("{s:s}", "error", "no such token was issued")));
    return NULL;
}

static char *on_calls(struct call *call)
{
    json_t *calls;

    pthread_mutex_lock(&call->standin->lock);
    calls = json_deep_copy(call->standin->calls);
    pthread_mutex_unlock(&call->standin->lock);
    return call_answer(call, json_pack("{s:o}", "calls", calls));
}

static char *on_calls_reset(struct call *call)
{
    pthread_mutex_lock(&call->standin->lock);
    json_array_clear(call->standin->calls);
    pthread_mutex_unlock(&call->standin->lock);
    return NULL;
}

static char *on_admissions_get(struct call *call)
{
    json_t *admissions;

    pthread_mutex_lock(&call->standin->lock);
    admissions = json_deep_copy(call->standin->admissions);
    pthread_mutex_unlock(&call->standin->lock);
    return call_answer(call, json_pack("{s:o}", "admissions", admissions));
}

static char *on_admissions_put(struct call *call)
{
    CLEANUP(json_decrefp) json_t *admissions = NULL;
    json_t *given = NULL, *old;
    json_error_t json_error;
    char *error;

    if (json_unpack_ex(call->in, &json_error, JSON_STRICT, "{s?o}", "admissions", &given) < 0)
        return must_copy(json_error.text);
    admissions = given ? json_deep_copy(given) : admissions_default();
    error = admissions_check(admissions);
    if (error)
        return error;
    pthread_mutex_lock(&call->standin->lock);
    old = call->standin->admissions;
    call->standin->admissions = TAKE_PTR(admissions);
    pthread_mutex_unlock(&call->standin->lock);
    json_decref(old);
    return NULL;
}

static char *on_trust(struct call *call)
{
    return trust_set(&call->standin->trust, call->in);
}

const struct route upstream_routes[] = {
    {"PUT", "/upstream", on_upstream},
    {"GET", "/admissions", on_admissions_get},
    {"PUT", "/admissions", on_admissions_put},
    {"GET", "/tokens", on_tokens},
    {"GET", "/issued", on_issued},
    {"GET", "/calls", on_calls},
    {"POST", "/calls/reset", on_calls_reset},
    {"PUT", "/trust", on_trust},
    {0},
};
