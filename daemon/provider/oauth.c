#include "provider/oauth.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "protocol/messages.h"

static bool is_one_of(const char *word, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(word, *words) == 0)
            return true;
    return false;
}

/* Returns the server's sentence about an error; NULL: none. Not all servers follow RFC 6749. */
static const char *description_of(const struct json_value *body)
{
    const char *const texts[] = {
        json_value_string(json_value_member(body, "error_description")),
        json_value_string(
            json_value_member(body, "message")), /* the REST interface of Pulumi Cloud */
        json_value_string(json_value_member(json_value_member(body, "error"), "message")),
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (texts[i] && texts[i][0])
            return texts[i];
    return NULL;
}

const char *oauth_error(const struct json_value *body)
{
    const struct json_value *error = json_value_member(body, "error");

    if (!error || error->kind == JSON_KIND_NULL)
        return NULL;
    return error->kind == JSON_KIND_STRING ? json_value_string(error) : "error";
}

void oauth_explain(struct provider_answer *answer, const struct json_value *body)
{
    const char *texts[] = {oauth_error(body), description_of(body)};
    const char *token = json_value_string(json_value_member(body, "access_token"));

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        answer_explain(answer, texts[i]);
    if (token)
        detail_hide(answer->detail, token, strlen(token));
}

enum outcome oauth_outcome(long http_status, const char *error)
{
    static const char *const refusals[] = {"invalid_grant", "access_denied", "invalid_token", NULL};
    static const char *const faults[] = {"server_error", "temporarily_unavailable", NULL};
    /* the last four are errors of AWS services, some of them with HTTP 400 */
    static const char *const throttles[] = {"slow_down",
                                            "too_many_requests",
                                            "Throttling",
                                            "ThrottlingException",
                                            "RequestLimitExceeded",
                                            "TooManyRequestsException",
                                            NULL};

    if (http_status == 429 || is_one_of(error, throttles))
        return OUTCOME_THROTTLED;
    if (http_status >= 500 || http_status == 408 || is_one_of(error, faults))
        return OUTCOME_UNAVAILABLE;
    if (http_status == 401 || http_status == 403 || is_one_of(error, refusals))
        return OUTCOME_REFUSED;
    return OUTCOME_MISCONFIGURED;
}

/* Returns 0 if it is not valid. */
static int64_t lifetime_of(const struct json_value *expires_in, const struct oauth_rules *rules)
{
    if (!expires_in || expires_in->kind == JSON_KIND_NULL)
        return rules->lifetime_s;
    return expires_in->kind == JSON_KIND_INTEGER ? expires_in->integer : 0;
}

int oauth_take_token(struct provider_answer *answer, const struct oauth_rules *rules,
                     const struct json_value *body)
{
    const char *token = json_value_string(json_value_member(body, "access_token"));
    const struct json_value *type = json_value_member(body, "token_type");
    const char *token_type = type ? json_value_string(type) : rules->token_type;
    int64_t lifetime_s = lifetime_of(json_value_member(body, "expires_in"), rules);

    if (!answer_is_visible(token, PODLOGIN_TOKEN_MAX))
        return answer_set_malformed(answer, "access_token");
    if (!answer_is_visible(token_type, sizeof(answer->token_type) - 1))
        return answer_set_malformed(answer, "token_type");
    if (lifetime_s <= 0)
        return answer_set_malformed(answer, "expires_in");
    if (answer_add_variable(answer, rules->variable, token, strlen(token)) < 0)
        return -ENOMEM;
    strcpy(answer->token_type, token_type);
    answer_set_lifetime(answer, lifetime_s);
    answer->outcome = OUTCOME_OK;
    return 0;
}

int oauth_answer(long http_status, const void *body, size_t body_len,
                 const struct oauth_rules *rules, struct provider_answer *answer)
{
    CLEANUP(freep)
    struct json_value *json = json_value_read(body, body_len);
    enum outcome outcome = outcome_of_http_status(http_status);
    const char *error = oauth_error(json);

    if (!error && http_status == 200 && json)
        return oauth_take_token(answer, rules, json);
    /* with "error", even a 200 is a failure */
    if (error)
        outcome = oauth_outcome(http_status, error);
    if (error && outcome == OUTCOME_REFUSED && rules->has_client &&
        strcmp(error, "invalid_client") == 0)
        outcome = OUTCOME_MISCONFIGURED;
    answer_set_failure(answer, http_status, outcome);
    oauth_explain(answer, json);
    if (!json)
        detail_add(answer->detail, ", and the body is not a JSON object");
    return 0;
}
