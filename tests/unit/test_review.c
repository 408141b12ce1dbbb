/* Answers to a TokenReview: they are accepted only if they report the user and audience of the JWT.
 */
#include "exchanger/review_job.h"

#include "support/check.h"

#define AUDIENCE        "urn:pulumi:org:acme"
#define USERNAME        "system:serviceaccount:ci:pulumi-runner"
#define USER            "\"user\":{\"username\":\"" USERNAME "\",\"uid\":\"bece172b\"}"
#define GOOD            "\"authenticated\":true,\"audiences\":[\"" AUDIENCE "\"]," USER
#define STATUS(members) "{\"kind\":\"TokenReview\",\"status\":{" members "}}"

static const struct review_expected expected = {AUDIENCE, USERNAME, "bece172b"};

static const struct {
    const char *why;
    long http_status;
    const char *body;
    enum outcome outcome;
    const char *detail; /* a part of the detail */
} cases[] = {
    {"authenticated", 201, STATUS(GOOD), OUTCOME_OK, ""},
    {"some servers answer with 200", 200, STATUS(GOOD), OUTCOME_OK, ""},
    {"several audiences", 201,
     STATUS("\"authenticated\":true,\"audiences\":[\"a\",\"" AUDIENCE "\"]," USER), OUTCOME_OK, ""},
    /* refusals */
    {"not authenticated", 201, STATUS("\"authenticated\":false"), OUTCOME_REFUSED,
     "not authenticated"},
    {"not authenticated, with a reason", 201,
     STATUS("\"authenticated\":false,\"error\":\"pod is gone\""), OUTCOME_REFUSED, "pod is gone"},
    {"not authenticated, with an empty reason", 201,
     STATUS("\"authenticated\":false,\"error\":\"\""), OUTCOME_REFUSED, "not authenticated"},
    {"no member \"authenticated\"", 201, STATUS(USER), OUTCOME_REFUSED, "not authenticated"},
    {"authenticated as text", 201,
     STATUS("\"authenticated\":\"true\",\"audiences\":[\"" AUDIENCE "\"]," USER), OUTCOME_REFUSED,
     "not authenticated"},
    {"authenticated as a number", 201,
     STATUS("\"authenticated\":1,\"audiences\":[\"" AUDIENCE "\"]," USER), OUTCOME_REFUSED,
     "not authenticated"},
    {"no audiences", 201, STATUS("\"authenticated\":true," USER), OUTCOME_REFUSED, "audience"},
    {"another audience", 201, STATUS("\"authenticated\":true,\"audiences\":[\"a\"]," USER),
     OUTCOME_REFUSED, "audience"},
    {"the audience as text", 201,
     STATUS("\"authenticated\":true,\"audiences\":\"" AUDIENCE "\"," USER), OUTCOME_REFUSED,
     "audience"},
    {"no user", 201, STATUS("\"authenticated\":true,\"audiences\":[\"" AUDIENCE "\"]"),
     OUTCOME_REFUSED, "account"},
    {"another user", 201,
     STATUS("\"authenticated\":true,\"audiences\":[\"" AUDIENCE "\"],\"user\":{\"username\":"
            "\"system:serviceaccount:ci:other\",\"uid\":\"bece172b\"}"),
     OUTCOME_REFUSED, "account"},
    {"an account that was deleted and created again", 201,
     STATUS("\"authenticated\":true,\"audiences\":[\"" AUDIENCE "\"],\"user\":{\"username\":"
            "\"" USERNAME "\",\"uid\":\"other\"}"),
     OUTCOME_REFUSED, "account"},
    {"no uid", 201,
     STATUS("\"authenticated\":true,\"audiences\":[\"" AUDIENCE "\"],\"user\":{\"username\":"
            "\"" USERNAME "\"}"),
     OUTCOME_REFUSED, "account"},
    /* answers that are not a review */
    {"our own token is not accepted", 401, STATUS(GOOD), OUTCOME_MISCONFIGURED,
     "HTTP 401: the API server does not accept the token in APIServerTokenFile="},
    {"our own token has no permission", 403, STATUS(GOOD), OUTCOME_MISCONFIGURED,
     "HTTP 403: the daemon's account may not create tokenreviews"},
    {"the server fails", 500, STATUS(GOOD), OUTCOME_UNAVAILABLE, "HTTP 500"},
    {"another success", 202, STATUS(GOOD), OUTCOME_UNAVAILABLE, "HTTP 202"},
    {"a redirect", 302, STATUS(GOOD), OUTCOME_UNAVAILABLE, "HTTP 302"},
    {"an empty body", 201, "", OUTCOME_MALFORMED, "not a TokenReview"},
    {"an HTML page", 201, "<html>", OUTCOME_MALFORMED, "not a TokenReview"},
    {"no status", 201, "{\"kind\":\"TokenReview\"}", OUTCOME_MALFORMED, "not a TokenReview"},
    {"a status that is not an object", 201, "{\"status\":true}", OUTCOME_MALFORMED,
     "not a TokenReview"},
    {"two answers", 201, STATUS(GOOD) STATUS(GOOD), OUTCOME_MALFORMED, "not a TokenReview"},
    {"a duplicate member", 201, STATUS("\"authenticated\":false," GOOD), OUTCOME_MALFORMED,
     "not a TokenReview"},
};

static enum outcome read_exact(long http_status, const char *body, size_t len, char *ret_detail)
{
    CLEANUP(freep)
    char *exact = copy_of(body, len);

    return review_read(http_status, exact, len, &expected, ret_detail);
}

static void each_answer_has_one_outcome(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char detail[DETAIL_SIZE];
        enum outcome outcome =
            read_exact(cases[i].http_status, cases[i].body, strlen(cases[i].body), detail);

        if (outcome != cases[i].outcome || !strstr(detail, cases[i].detail))
            fail_msg("%s: %d, \"%s\"", cases[i].why, outcome, detail);
        assert_int_equal(outcome == OUTCOME_OK, !detail[0]);
    }
}

static void every_truncation_is_malformed(void **state)
{
    static const char body[] = STATUS(GOOD);

    (void)state;
    for (size_t cut = 0; cut < sizeof(body) - 1; cut++) {
        char detail[DETAIL_SIZE];

        assert_int_equal(read_exact(201, body, cut, detail), OUTCOME_MALFORMED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_answer_has_one_outcome),
        cmocka_unit_test(every_truncation_is_malformed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
