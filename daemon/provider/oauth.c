#include "provider/oauth.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "protocol/messages.h"

#define UNBROKEN_MAX 40 /* longer than any word, shorter than any token */
#define REDACTED     "[...]"

static bool is_token_char(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("-._~+/=", c));
}

void answer_add_detail(struct provider_answer *answer, const char *text)
{
    size_t n = strlen(answer->detail);

    while (*text && n + sizeof(REDACTED) < sizeof(answer->detail)) {
        size_t run = 0;

        while (is_token_char(text[run]))
            run++;
        if (run > UNBROKEN_MAX) {
            memcpy(answer->detail + n, REDACTED, sizeof(REDACTED) - 1);
            n += sizeof(REDACTED) - 1;
            text += run;
            continue;
        }
        answer->detail[n++] = *text >= 0x20 && *text < 0x7f ? *text : '?';
        text++;
        /* the rest of a short run as it stands, so that a cut one is not judged anew */
        for (; run > 1 && n + sizeof(REDACTED) < sizeof(answer->detail); run--)
            answer->detail[n++] = *text++;
        if (run > 1)
            break;
    }
    answer->detail[n] = '\0';
}

static void add_number(struct provider_answer *answer, const char *before, long number)
{
    char text[64];

    snprintf(text, sizeof(text), "%s%ld", before, number);
    answer_add_detail(answer, text);
}

/* A value that a header, an environment variable or a terminal can take. */
static bool is_visible(const char *text, size_t max)
{
    size_t len = text ? strlen(text) : 0;

    if (len == 0 || len > max)
        return false;
    for (; *text; text++)
        if (*text <= 0x20 || *text >= 0x7f)
            return false;
    return true;
}

static bool is_one_of(const char *word, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(word, *words) == 0)
            return true;
    return false;
}

/* RFC 6749, section 5.2 and RFC 8693, section 2.2.2 name the errors; 401 and 403 speak for all. */
static enum outcome outcome_of_error(long http_status, const char *error)
{
    static const char *const refusals[] = {"invalid_grant", "access_denied", "invalid_token", NULL};
    static const char *const faults[] = {"server_error", "temporarily_unavailable", NULL};
    /* what AWS's services say, some of them with HTTP 400 */
    static const char *const throttles[] = {"slow_down",
                                            "too_many_requests",
                                            "Throttling",
                                            "ThrottlingException",
                                            "RequestLimitExceeded",
                                            "TooManyRequestsException",
                                            NULL};

    if (http_status == 429 || is_one_of(error, throttles))
        return OUTCOME_THROTTLED;
    if (http_status >= 500 || is_one_of(error, faults))
        return OUTCOME_UNAVAILABLE;
    if (http_status == 401 || http_status == 403 || is_one_of(error, refusals))
        return OUTCOME_REFUSED;
    return OUTCOME_MISCONFIGURED;
}

/* Proxies and gateways answer without an OAuth body. */
static enum outcome outcome_of_status(long http_status)
{
    if (http_status == 429)
        return OUTCOME_THROTTLED;
    if (http_status >= 500)
        return OUTCOME_UNAVAILABLE;
    if (http_status == 401 || http_status == 403)
        return OUTCOME_REFUSED;
    if (http_status == 404 || http_status == 405)
        return OUTCOME_MISCONFIGURED;
    return OUTCOME_MALFORMED;
}

static int answer_set_token(struct provider_answer *answer, const json_t *body)
{
    const char *token = json_member_string(body, "access_token");
    const char *token_type = json_member_string(body, "token_type");
    const json_t *expires_in = json_object_get(body, "expires_in");
    json_int_t lifetime_s = json_integer_value(expires_in);

    answer->outcome = OUTCOME_MALFORMED;
    if (!is_visible(token, PODLOGIN_TOKEN_MAX)) {
        answer_add_detail(answer, "the answer has no usable access_token");
        return 0;
    }
    if (!is_visible(token_type, sizeof(answer->token_type) - 1)) {
        answer_add_detail(answer, "the answer has no usable token_type");
        return 0;
    }
    if (!json_is_integer(expires_in) || lifetime_s <= 0) {
        answer_add_detail(answer, "the answer has no usable expires_in");
        return 0;
    }
    answer->token = secret_new(token, strlen(token));
    if (!answer->token)
        return -ENOMEM;
    strcpy(answer->token_type, token_type);
    answer->expires_in_s =
        (uint32_t)(lifetime_s > TOKEN_LIFETIME_MAX_S ? TOKEN_LIFETIME_MAX_S : lifetime_s);
    answer->outcome = OUTCOME_OK;
    return 0;
}

int oauth_answer(long http_status, const void *body, size_t body_len,
                 struct provider_answer *answer)
{
    CLEANUP(json_decrefp) json_t *json = json_read_object(body, body_len);
    const json_t *error_member = json_object_get(json, "error");
    const char *description = json_member_string(json, "error_description");
    const char *error = NULL;

    /* one that is no string is none of RFC 6749, but it surely does not say that all is well */
    if (error_member && !json_is_null(error_member))
        error = json_is_string(error_member) ? json_string_value(error_member) : "error";
    if (!error && http_status == 200 && json)
        return answer_set_token(answer, json);
    /* an answer with an error is a failure even at 200 */
    answer->outcome = error ? outcome_of_error(http_status, error) : outcome_of_status(http_status);
    if (answer->outcome == OUTCOME_UNAVAILABLE && http_status == 503 && answer->retry_after_ms)
        answer->outcome = OUTCOME_THROTTLED;
    add_number(answer, "HTTP ", http_status);
    if (error) {
        answer_add_detail(answer, ": ");
        answer_add_detail(answer, error);
    }
    if (error && description) {
        answer_add_detail(answer, ": ");
        answer_add_detail(answer, description);
    }
    if (!error && !json)
        answer_add_detail(answer, ", and the body is not a JSON object");
    return 0;
}
