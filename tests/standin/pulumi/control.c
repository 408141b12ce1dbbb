/* The calls that control Pulumi Cloud: its policies. */
#include <string.h>

#include "standin/control.h"
#include "standin/memory.h"
#include "standin/pulumi/policy.h"
#include "standin/standin.h"

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

const struct route pulumi_routes[] = {
    {"GET", "/policies", on_policies_get},
    {"PUT", "/policies", on_policies_put},
    {0},
};
