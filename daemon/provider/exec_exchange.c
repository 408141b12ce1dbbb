/*
 * The exchange by a program: what it reads on its standard input, and what its standard output and
 * exit status mean. podlogind.conf(5) describes both.
 */
#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "protocol/messages.h"
#include "provider/exchange.h"
#include "provider/exec.h"
#include "provider/oauth.h"

/* Exit statuses of sysexits.h, as podlogin itself uses them. */
#define STATUS_TRY_AGAIN     75
#define STATUS_REFUSED       77
#define STATUS_MISCONFIGURED 78

static int exec_request(const struct provider_values *values, const struct secret *jwt,
                        struct provider_request *ret_request)
{
    CLEANUP(json_decrefp)
    json_t *body =
        json_pack("{s:s, s:s%}", "subject_token_type", "urn:ietf:params:oauth:token-type:jwt",
                  "subject_token", jwt->bytes, (size_t)jwt->len);

    if (!values->value[EXEC_COMMAND])
        return -EINVAL;
    ret_request->url = strdup(values->value[EXEC_COMMAND]);
    if (!ret_request->url)
        return -ENOMEM;
    ret_request->method = "run";
    return request_set_json(ret_request, body);
}

static int malformed(struct provider_answer *answer, const char *what)
{
    provider_answer_done(answer);
    answer->outcome = OUTCOME_MALFORMED;
    detail_add(answer->detail, what);
    return 0;
}

/* Whether the client can set the variable, in one string of the answer's message. */
static bool can_be_set(const char *name, const char *value)
{
    size_t len = strlen(value);

    for (size_t i = 0; i < len; i++)
        if (value[i] < 0x20 || value[i] >= 0x7f)
            return false;
    return strlen(name) + 1 + len <= PODLOGIN_ATTRIBUTE_MAX;
}

/* Adds the further variables, of which the settings name each. */
static int take_variables(const struct provider_values *values, const struct json_value *variables,
                          struct provider_answer *answer)
{
    int r = 0;

    if (!variables)
        return 0;
    if (variables->kind != JSON_KIND_OBJECT)
        return malformed(answer, "\"variables\" in the output is not a JSON object");
    JSON_VALUE_FOREACH(value, variables)
    {
        const char *name = json_value_name(value), *text = json_value_string(value);

        if (!text || strcmp(name, exec_token_variable(values)) == 0 ||
            !provider_may_set(&provider_exec, values, name, strlen(name)))
            return malformed(answer, "the output sets a variable that Variables= does not name, or "
                                     "not to a string");
        if (!can_be_set(name, text))
            return malformed(answer, "the output sets a variable to more than 4 KiB, or to a text "
                                     "that is not printable ASCII");
        r = r < 0 ? r : answer_add_variable(answer, name, text, strlen(text));
    }
    return r;
}

/* A program may leave out the type, and "expires_in" if it says "expires_at". */
static int take_token(const struct provider_values *values, const struct json_value *body,
                      struct provider_answer *answer)
{
    const struct json_value *expires_at = json_value_member(body, "expires_at");
    struct oauth_rules rules = {.variable = exec_token_variable(values), .token_type = "Bearer"};
    int r = 0;

    if (expires_at && expires_at->kind == JSON_KIND_INTEGER && expires_at->integer > 0) {
        answer->expires_at_s = expires_at->integer;
        rules.lifetime_s = TOKEN_LIFETIME_MAX_S; /* the shorter one counts */
    }
    r = oauth_take_token(answer, &rules, body);
    if (r == 0 && answer->outcome == OUTCOME_OK)
        r = take_variables(values, json_value_member(body, "variables"), answer);
    return r;
}

/* What the status alone does not tell, an error in the output may. */
static enum outcome outcome_of(long status, const char *error)
{
    switch (status) {
    case STATUS_TRY_AGAIN:
        return OUTCOME_UNAVAILABLE;
    case STATUS_REFUSED:
        return OUTCOME_REFUSED;
    case STATUS_MISCONFIGURED:
        return OUTCOME_MISCONFIGURED;
    default:
        return error ? oauth_outcome(0, error) : OUTCOME_UNAVAILABLE;
    }
}

static int exec_answer(const struct provider_values *values, long status, const void *body,
                       size_t body_len, struct provider_answer *answer)
{
    CLEANUP(freep)
    struct json_value *json = json_value_read(body, body_len);

    if (status == 0 && !json)
        return malformed(answer, "the output of the program is not a JSON object");
    if (status == 0 && !oauth_error(json))
        return take_token(values, json, answer);
    answer->outcome = outcome_of(status, oauth_error(json));
    detail_add_number(answer->detail, "the program ended with status ", status);
    oauth_explain(answer, json);
    return 0;
}

const struct provider_exchange provider_exec_exchange = {
    .provider = &provider_exec,
    .request = exec_request,
    .answer = exec_answer,
};
