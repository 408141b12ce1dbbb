/* The calls that control Pulumi Cloud: its policies, and the tokens of its users. */
#include <string.h>

#include "standin/control.h"
#include "standin/memory.h"
#include "standin/pulumi/issuers.h"
#include "standin/pulumi/policy.h"
#include "standin/pulumi/rules.h"
#include "standin/pulumi/token_type.h"
#include "standin/standin.h"

#define USER_TOKEN_S (30 * 24 * 60 * 60)

static char *on_policies_get(struct call *call)
{
    json_t *policies;

    pthread_mutex_lock(&call->standin->lock);
    policies = json_deep_copy(call->standin->pulumi.policies);
    pthread_mutex_unlock(&call->standin->lock);
    return call_answer(call, json_pack("{s:o}", "policies", policies));
}

static char *on_policies_put(struct call *call)
{
    CLEANUP(json_decrefp) json_t *policies = NULL;
    const char *preset = NULL;
    json_t *given = NULL;
    json_error_t json_error;
    json_t *old;
    char *error;

    if (json_unpack_ex(call->in, &json_error, JSON_STRICT, "{s?o, s?s}", "policies", &given,
                       "preset", &preset) < 0)
        return must_copy(json_error.text);
    if (!given == !preset)
        return must_copy("either policies or preset");
    if (preset && strcmp(preset, "allow-all") != 0 && strcmp(preset, "default") != 0)
        return must_print("unknown preset: %s", preset);
    if (preset)
        policies = strcmp(preset, "default") == 0 ? policies_default() : policies_allow_all();
    else
        policies = json_incref(given);
    error = policies_check(policies);
    if (error)
        return error;
    pthread_mutex_lock(&call->standin->lock);
    old = call->standin->pulumi.policies;
    call->standin->pulumi.policies = TAKE_PTR(policies);
    pthread_mutex_unlock(&call->standin->lock);
    json_decref(old);
    return NULL;
}

/* As a user of the organization makes one in Pulumi Cloud. */
static char *on_token_new(struct call *call)
{
    struct pulumi_token token = {.type = &token_types[TOKEN_PERSONAL]};
    int is_admin = 0;
    json_error_t json_error;
    CLEANUP(freep) char *scope = NULL;
    json_t *value;

    if (json_unpack_ex(call->in, &json_error, JSON_STRICT, "{s:s, s:s, s?b}", "organization",
                       &token.organization, "user", &token.subject, "admin", &is_admin) < 0)
        return must_copy(json_error.text);
    token.scope = scope = must_print("user:%s", token.subject);
    token.is_admin = is_admin;
    pthread_mutex_lock(&call->standin->lock);
    token.lifetime_s = tokens_lifetime(&call->standin->tokens, USER_TOKEN_S);
    value = must(json_string(pulumi_issue(call->standin, &token)));
    pthread_mutex_unlock(&call->standin->lock);
    return call_answer(call, json_pack("{s:o}", "token", value));
}

static char *on_issuers_reset(struct call *call)
{
    pthread_mutex_lock(&call->standin->lock);
    issuers_reset(call->standin);
    pthread_mutex_unlock(&call->standin->lock);
    return NULL;
}

const struct route pulumi_routes[] = {
    {"GET", "/policies", on_policies_get},
    {"PUT", "/policies", on_policies_put},
    {"POST", "/tokens", on_token_new},
    {"POST", "/issuers/reset", on_issuers_reset},
    {0},
};
