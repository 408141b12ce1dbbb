/*
 * Any answer to a TokenReview: the token is valid only if the answer says so of this user and this
 * audience, and what is told of another answer is a line without the token.
 */
#include <jansson.h>

#include "exchanger/review_job.h"
#include "fuzz/fuzz.h"

#define TOKEN "eyJhbGciOiJSUzI1NiIsImtpZCI6ImtleSJ9.eyJ"

static const struct review_expected expected = {"aud", "system:serviceaccount:ci:p", "u-1"};

/* Reads the answer in another way: jansson's paths of json_unpack(). */
static bool says_yes(const void *body, size_t len)
{
    json_t *json = json_loadb(body, len, 0, NULL), *audiences, *audience;
    const char *username, *uid;
    int authenticated = 0;
    bool is_for_us = false;
    size_t i;

    if (json_unpack(json, "{s:{s:b, s:o, s:{s:s, s:s}}}", "status", "authenticated", &authenticated,
                    "audiences", &audiences, "user", "username", &username, "uid", &uid) == 0) {
        json_array_foreach(audiences, i, audience)
        {
            const char *text = json_string_value(audience);

            is_for_us = is_for_us || (text && strcmp(text, expected.audience) == 0);
        }
        authenticated = authenticated && strcmp(username, expected.username) == 0 &&
                        strcmp(uid, expected.uid) == 0;
    }
    json_decref(json);
    return authenticated && is_for_us;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const long statuses[] = {200, 201, 202, 302, 400, 401, 403, 500};
    char detail[DETAIL_SIZE], shown[DETAIL_SIZE] = "";
    long status = size ? statuses[data[0] % 8] : 0;
    enum outcome outcome;

    if (size == 0)
        return 0;
    memset(detail, 'x', sizeof(detail));
    outcome = review_read(status, data + 1, size - 1, &expected, detail);
    PROMISE(outcome == OUTCOME_OK || outcome == OUTCOME_REFUSED ||
            outcome == OUTCOME_MISCONFIGURED || outcome == OUTCOME_UNAVAILABLE ||
            outcome == OUTCOME_MALFORMED);
    PROMISE(memchr(detail, '\0', sizeof(detail)) && (outcome == OUTCOME_OK) == !detail[0]);
    PROMISE((outcome == OUTCOME_OK) <= (status == 200 || status == 201));
    if (outcome == OUTCOME_OK)
        PROMISE(says_yes(data + 1, size - 1));
    detail_hide(detail, TOKEN, strlen(TOKEN));
    detail_add(shown, detail);
    PROMISE(is_ascii(shown, strlen(shown), ' ') && !strstr(shown, "eyJhbGci"));
    return 0;
}
