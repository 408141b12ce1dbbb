/* Answers of token endpoints: their outcomes, and which parts of their text may appear in a log. */
#include "base/log.h"
#include "protocol/messages.h"
#include "provider/oauth.h"
#include "support/check.h"

#define TOKEN_BODY "{\"access_token\":\"pul-x\",\"token_type\":\"token\",\"expires_in\":7200}"

static void answer_donep(struct provider_answer *answer)
{
    provider_answer_done(answer);
}

static void answer_read(long status, const char *body, size_t len, struct provider_answer *answer)
{
    CLEANUP(freep)
    char *exact = copy_of(body, len);

    assert_int_equal(
        oauth_answer(status, exact, len, &(struct oauth_rules){.variable = "TOKEN"}, answer), 0);
    assert_true(strlen(answer->detail) < sizeof(answer->detail));
    for (const char *c = answer->detail; *c; c++)
        assert_in_range(*c, 0x20, 0x7e);
    if (answer->outcome == OUTCOME_OK) {
        assert_int_equal(answer->n_variables, 1);
        assert_string_equal(answer->variables[0].name, "TOKEN");
        assert_string_equal(answer->detail, "");
    } else {
        assert_int_equal(answer->n_variables, 0);
        assert_int_equal(answer->expires_in_s, 0);
        assert_string_not_equal(answer->detail, "");
    }
}

static void a_token_is_read_from_a_complete_answer(void **state)
{
    static const char body[] =
        "{\"access_token\":\"pul-0123456789abcdef\",\"issued_token_type\":"
        "\"urn:pulumi:token-type:access_token:organization\",\"token_type\":\"token\","
        "\"expires_in\":7200,\"scope\":\"\",\"refresh_token\":\"dropped\"}";
    CLEANUP(answer_donep)
    struct provider_answer answer = {0};

    (void)state;
    answer_read(200, body, strlen(body), &answer);
    assert_int_equal(answer.outcome, OUTCOME_OK);
    assert_int_equal(answer.variables[0].value->len, 20);
    assert_memory_equal(answer.variables[0].value->bytes, "pul-0123456789abcdef", 20);
    assert_string_equal(answer.token_type, "token");
    assert_int_equal(answer.expires_in_s, 7200);
}

static void every_truncation_of_an_answer_is_malformed(void **state)
{
    (void)state;
    for (size_t cut = 0; cut < strlen(TOKEN_BODY); cut++) {
        CLEANUP(answer_donep)
        struct provider_answer answer = {0};

        answer_read(200, TOKEN_BODY, cut, &answer);
        assert_int_equal(answer.outcome, OUTCOME_MALFORMED);
    }
}

static void each_answer_has_one_outcome(void **state)
{
    static const struct {
        const char *why;
        long status;
        uint32_t retry_after_ms;
        const char *body;
        enum outcome expected;
    } cases[] = {
        {"a token", 200, 0, TOKEN_BODY, OUTCOME_OK},
        {"a token that a proxy delays", 200, 5000, TOKEN_BODY, OUTCOME_OK},

        {"invalid_grant", 400, 0, "{\"error\":\"invalid_grant\"}", OUTCOME_REFUSED},
        {"access_denied", 400, 0, "{\"error\":\"access_denied\"}", OUTCOME_REFUSED},
        {"invalid_token", 400, 0, "{\"error\":\"invalid_token\"}", OUTCOME_REFUSED},
        {"401 with an error", 401, 0, "{\"error\":\"invalid_client\"}", OUTCOME_REFUSED},
        {"403 with an error", 403, 0, "{\"error\":\"anything\"}", OUTCOME_REFUSED},
        {"401 with an empty body", 401, 0, "", OUTCOME_REFUSED},
        {"403 from a firewall", 403, 0, "<html>no</html>", OUTCOME_REFUSED},
        {"401 from the REST API", 401, 0, "{\"code\":401,\"message\":\"no\"}", OUTCOME_REFUSED},
        {"200 with an error", 200, 0, "{\"error\":\"invalid_grant\"}", OUTCOME_REFUSED},
        {"an error and a token", 200, 0,
         "{\"error\":\"invalid_grant\",\"access_token\":\"pul-x\",\"token_type\":\"token\","
         "\"expires_in\":7200}",
         OUTCOME_REFUSED},

        {"invalid_request", 400, 0, "{\"error\":\"invalid_request\"}", OUTCOME_MISCONFIGURED},
        {"invalid_target", 400, 0, "{\"error\":\"invalid_target\"}", OUTCOME_MISCONFIGURED},
        {"invalid_scope", 400, 0, "{\"error\":\"invalid_scope\"}", OUTCOME_MISCONFIGURED},
        {"unsupported_grant_type", 400, 0, "{\"error\":\"unsupported_grant_type\"}",
         OUTCOME_MISCONFIGURED},
        {"an unknown error", 400, 0, "{\"error\":\"x\"}", OUTCOME_MISCONFIGURED},
        {"an error in another case", 400, 0, "{\"error\":\"Invalid_Grant\"}",
         OUTCOME_MISCONFIGURED},
        {"404", 404, 0, "", OUTCOME_MISCONFIGURED},
        {"405", 405, 0, "not here", OUTCOME_MISCONFIGURED},
        {"400 with a token", 400, 0, TOKEN_BODY, OUTCOME_MISCONFIGURED},
        {"400 with an empty body", 400, 0, "", OUTCOME_MISCONFIGURED},
        {"400 with HTML", 400, 0, "<html>bad</html>", OUTCOME_MISCONFIGURED},
        {"400 from the REST API", 400, 0, "{\"code\":400,\"message\":\"no\"}",
         OUTCOME_MISCONFIGURED},
        {"402", 402, 0, "", OUTCOME_MISCONFIGURED},
        {"406", 406, 0, "<html>", OUTCOME_MISCONFIGURED},
        {"411", 411, 0, "<html>", OUTCOME_MISCONFIGURED},
        {"413", 413, 0, "<html>", OUTCOME_MISCONFIGURED},
        {"415", 415, 0, "{}", OUTCOME_MISCONFIGURED},
        {"418", 418, 0, "{}", OUTCOME_MISCONFIGURED},
        {"422 from the REST API", 422, 0, "{\"code\":422,\"message\":\"no\"}",
         OUTCOME_MISCONFIGURED},
        {"431", 431, 0, "", OUTCOME_MISCONFIGURED},
        {"451", 451, 0, "", OUTCOME_MISCONFIGURED},
        {"499", 499, 0, "", OUTCOME_MISCONFIGURED},

        {"429 with an empty body", 429, 0, "", OUTCOME_THROTTLED},
        {"429 with HTML", 429, 0, "<html>", OUTCOME_THROTTLED},
        {"429 with an error", 429, 0, "{\"error\":\"invalid_grant\"}", OUTCOME_THROTTLED},
        {"slow_down", 400, 0, "{\"error\":\"slow_down\"}", OUTCOME_THROTTLED},
        {"AWS", 400, 0, "{\"error\":\"Throttling\"}", OUTCOME_THROTTLED},
        {"too_many_requests", 400, 0, "{\"error\":\"too_many_requests\"}", OUTCOME_THROTTLED},
        {"503 with Retry-After", 503, 1000, "", OUTCOME_THROTTLED},
        {"503 with Retry-After and an error", 503, 1000, "{\"error\":\"server_error\"}",
         OUTCOME_THROTTLED},

        {"408", 408, 0, "<html>", OUTCOME_UNAVAILABLE},
        {"408 with an error", 408, 0, "{\"error\":\"timeout\"}", OUTCOME_UNAVAILABLE},
        {"500", 500, 0, "", OUTCOME_UNAVAILABLE},
        {"500 with Retry-After", 500, 1000, "", OUTCOME_UNAVAILABLE},
        {"502 with HTML", 502, 0, "<html>", OUTCOME_UNAVAILABLE},
        {"503", 503, 0, "", OUTCOME_UNAVAILABLE},
        {"504", 504, 0, "{}", OUTCOME_UNAVAILABLE},
        {"599", 599, 0, "", OUTCOME_UNAVAILABLE},
        {"500 server_error", 500, 0, "{\"error\":\"server_error\"}", OUTCOME_UNAVAILABLE},
        {"400 server_error", 400, 0, "{\"error\":\"server_error\"}", OUTCOME_UNAVAILABLE},
        {"400 temporarily_unavailable", 400, 0, "{\"error\":\"temporarily_unavailable\"}",
         OUTCOME_UNAVAILABLE},
        {"500 invalid_grant", 500, 0, "{\"error\":\"invalid_grant\"}", OUTCOME_UNAVAILABLE},
        {"500 with a token", 500, 0, TOKEN_BODY, OUTCOME_UNAVAILABLE},

        {"200 with an empty body", 200, 0, "", OUTCOME_MALFORMED},
        {"200 with HTML", 200, 0, "<html>sign in</html>", OUTCOME_MALFORMED},
        {"an array", 200, 0, "[" TOKEN_BODY "]", OUTCOME_MALFORMED},
        {"a token twice", 200, 0, TOKEN_BODY TOKEN_BODY, OUTCOME_MALFORMED},
        {"201 with a token", 201, 0, TOKEN_BODY, OUTCOME_MALFORMED},
        {"204 with a token", 204, 0, TOKEN_BODY, OUTCOME_MALFORMED},
        {"a redirect", 302, 0, TOKEN_BODY, OUTCOME_MALFORMED},
        {"status 0", 0, 0, TOKEN_BODY, OUTCOME_MALFORMED},
        {"a negative status", -1, 0, TOKEN_BODY, OUTCOME_MALFORMED},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(answer_donep)
        struct provider_answer answer = {.retry_after_ms = cases[i].retry_after_ms};

        answer_read(cases[i].status, cases[i].body, strlen(cases[i].body), &answer);
        if (answer.outcome != cases[i].expected)
            fail_msg("%s: %d, not %d", cases[i].why, answer.outcome, cases[i].expected);
    }
}

/* An answer with `error` is a failure even with HTTP 200, whatever the type of the error. */
static void an_error_that_is_not_a_string_is_an_error(void **state)
{
    static const char *const errors[] = {"true", "1", "{\"code\":\"denied\"}", "[\"denied\"]"};
    unsigned n_tokens = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
        CLEANUP(answer_donep)
        struct provider_answer answer = {0};
        char body[256];

        snprintf(body, sizeof(body),
                 "{\"error\":%s,\"access_token\":\"pul-x\",\"token_type\":\"token\","
                 "\"expires_in\":7200}",
                 errors[i]);
        answer_read(200, body, strlen(body), &answer);
        if (answer.outcome == OUTCOME_OK) {
            print_error("a token was taken from an answer with \"error\":%s\n", errors[i]);
            n_tokens++;
        }
    }
    assert_int_equal(n_tokens, 0);
}

static void an_incomplete_token_is_malformed(void **state)
{
    static const struct {
        const char *why, *body;
    } cases[] = {
        {"an empty object", "{}"},
        {"no token", "{\"token_type\":\"token\",\"expires_in\":1}"},
        {"an empty token", "{\"access_token\":\"\",\"token_type\":\"token\",\"expires_in\":1}"},
        {"a number as token", "{\"access_token\":1,\"token_type\":\"token\",\"expires_in\":1}"},
        {"null as token", "{\"access_token\":null,\"token_type\":\"token\",\"expires_in\":1}"},
        {"a space in the token",
         "{\"access_token\":\"a b\",\"token_type\":\"t\",\"expires_in\":1}"},
        {"a newline", "{\"access_token\":\"a\\nb\",\"token_type\":\"t\",\"expires_in\":1}"},
        {"a carriage return", "{\"access_token\":\"a\\r\",\"token_type\":\"t\",\"expires_in\":1}"},
        {"a tab", "{\"access_token\":\"\\ta\",\"token_type\":\"t\",\"expires_in\":1}"},
        {"an escape", "{\"access_token\":\"\\u001b[2J\",\"token_type\":\"t\",\"expires_in\":1}"},
        {"a delete", "{\"access_token\":\"a\x7f\",\"token_type\":\"t\",\"expires_in\":1}"},
        {"not ASCII", "{\"access_token\":\"\xc3\xa4\",\"token_type\":\"t\",\"expires_in\":1}"},
        {"a NUL", "{\"access_token\":\"a\\u0000b\",\"token_type\":\"t\",\"expires_in\":1}"},
        {"no type", "{\"access_token\":\"a\",\"expires_in\":1}"},
        {"an empty type", "{\"access_token\":\"a\",\"token_type\":\"\",\"expires_in\":1}"},
        {"a type of two words", "{\"access_token\":\"a\",\"token_type\":\"a b\",\"expires_in\":1}"},
        {"a type of 64 characters", "{\"access_token\":\"a\",\"token_type\":"
                                    "\"01234567890123456789012345678901234567890123456789"
                                    "01234567890123\",\"expires_in\":1}"},
        {"no lifetime", "{\"access_token\":\"a\",\"token_type\":\"t\"}"},
        {"a lifetime of 0", "{\"access_token\":\"a\",\"token_type\":\"t\",\"expires_in\":0}"},
        {"a lifetime below 0", "{\"access_token\":\"a\",\"token_type\":\"t\",\"expires_in\":-1}"},
        {"a lifetime as text",
         "{\"access_token\":\"a\",\"token_type\":\"t\",\"expires_in\":\"60\"}"},
        {"a fraction", "{\"access_token\":\"a\",\"token_type\":\"t\",\"expires_in\":60.5}"},
        {"a whole fraction", "{\"access_token\":\"a\",\"token_type\":\"t\",\"expires_in\":60.0}"},
        {"an exponent", "{\"access_token\":\"a\",\"token_type\":\"t\",\"expires_in\":1e9}"},
        {"null", "{\"access_token\":\"a\",\"token_type\":\"t\",\"expires_in\":null}"},
        {"past 64 bits",
         "{\"access_token\":\"a\",\"token_type\":\"t\",\"expires_in\":9223372036854775808}"},
        {"two tokens",
         "{\"access_token\":\"a\",\"access_token\":\"b\",\"token_type\":\"t\",\"expires_in\":1}"},
        {"two tokens, one escaped", "{\"access_token\":\"a\",\"\\u0061ccess_token\":\"b\",\"token_"
                                    "type\":\"t\",\"expires_in\":1}"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(answer_donep)
        struct provider_answer answer = {0};

        answer_read(200, cases[i].body, strlen(cases[i].body), &answer);
        if (answer.outcome != OUTCOME_MALFORMED)
            fail_msg("%s: %d", cases[i].why, answer.outcome);
    }
}

static void lifetimes_and_lengths_are_bounded(void **state)
{
    static const struct {
        const char *lifetime;
        uint32_t expected;
    } lifetimes[] = {
        {"1", 1},
        {"604799", 604799},
        {"604800", 604800},
        {"604801", 604800},
        {"4294967296", 604800},
        {"4294967297", 604800},
        {"9223372036854775807", 604800},
    };
    char body[PODLOGIN_TOKEN_MAX + 256], token[PODLOGIN_TOKEN_MAX + 2];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lifetimes); i++) {
        CLEANUP(answer_donep)
        struct provider_answer answer = {0};

        snprintf(body, sizeof(body),
                 "{\"access_token\":\"a\",\"token_type\":\"t\",\"expires_in\":%s}",
                 lifetimes[i].lifetime);
        answer_read(200, body, strlen(body), &answer);
        assert_int_equal(answer.outcome, OUTCOME_OK);
        assert_int_equal(answer.expires_in_s, lifetimes[i].expected);
    }
    for (size_t len = PODLOGIN_TOKEN_MAX; len <= PODLOGIN_TOKEN_MAX + 1; len++) {
        CLEANUP(answer_donep)
        struct provider_answer answer = {0};

        memset(token, '~', len);
        token[len] = '\0';
        snprintf(body, sizeof(body),
                 "{\"access_token\":\"%s\",\"token_type\":\"t\",\"expires_in\":1}", token);
        answer_read(200, body, strlen(body), &answer);
        assert_int_equal(answer.outcome == OUTCOME_OK, len == PODLOGIN_TOKEN_MAX);
    }
}

static void the_detail_has_the_explanation_from_the_server(void **state)
{
    static const struct {
        long status;
        const char *body, *detail;
    } cases[] = {
        {400, "{\"error\":\"invalid_grant\",\"error_description\":\"unknown team\"}",
         "HTTP 400: invalid_grant: unknown team"},
        {400, "{\"error\":\"invalid_grant\"}", "HTTP 400: invalid_grant"},
        {400, "{\"error\":\"a\",\"error_description\":5}", "HTTP 400: a"},
        {400, "{\"error\":\"a\",\"error_description\":\"two\\nlines\\u001b[31m\"}",
         "HTTP 400: a: two?lines?[31m"},
        {400, "{\"error\":\"a\",\"error_description\":\"\xc3\xa4\"}", "HTTP 400: a: ??"},
        {502, "<html>", "HTTP 502, and the body is not a JSON object"},
        {503, "{\"message\":\"x\"}", "HTTP 503: x"},
        {400, "{\"code\":400,\"message\":\"unknown team\"}", "HTTP 400: unknown team"},
        {400, "{\"error\":{\"code\":400,\"message\":\"nested\"}}", "HTTP 400: error: nested"},
        {400, "{\"error\":\"a\",\"error_description\":\"\",\"message\":\"why\"}",
         "HTTP 400: a: why"},
        {400, "{\"error\":\"a\",\"error_description\":\"b\",\"message\":\"c\"}", "HTTP 400: a: b"},
        {400, "{\"code\":400,\"message\":5}", "HTTP 400"},
        {200, "{}", "the answer has no valid access_token"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(answer_donep)
        struct provider_answer answer = {0};

        answer_read(cases[i].status, cases[i].body, strlen(cases[i].body), &answer);
        assert_string_equal(answer.detail, cases[i].detail);
    }
}

static void long_unbroken_runs_are_replaced(void **state)
{
    static const char jwt[] =
        "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.eyJzdWIiOiJzeXN0ZW0ifQ.c2lnbmF0dXJl";
    static const char forty[] = "0123456789012345678901234567890123456789";
    static const struct {
        const char *before, *run, *after, *expected;
    } cases[] = {
        {"", jwt, "", "[...]"},
        {"bad token ", jwt, " given", "bad token [...] given"},
        {"bad token '", jwt, "'", "bad token '[...]'"},
        {"[", jwt, "]", "[[...]]"},
        {"{\"jwt\":\"", jwt, "\"}", "{\"jwt\":\"[...]\"}"},
        {"Bearer:", jwt, ";", "Bearer:[...];"},
        {"x", jwt, "", "[...]"},
        {"a ", forty, " b", "a 0123456789012345678901234567890123456789 b"},
        {"a ", forty, "0 b", "a [...] b"},
        {"\n", jwt, "\n", "?[...]?"},
        {"\xc3\xa4", jwt, "", "??[...]"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct provider_answer answer = {0};
        char text[256];

        snprintf(text, sizeof(text), "%s%s%s", cases[i].before, cases[i].run, cases[i].after);
        detail_add(answer.detail, text);
        assert_string_equal(answer.detail, cases[i].expected);
    }
}

/* However a server cuts a secret that it quotes, none of it is shown. */
static void pieces_of_a_secret_are_hidden(void **state)
{
    static const char secret[] =
        "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.eyJzdWIiOiJzeXN0ZW0ifQ.c2lnbmF0dXJl";
    static const struct {
        const char *detail, *expected;
    } cases[] = {
        {"bad token", "bad token"},
        {"eyJhbGci", "[...]"},
        {"token eyJhbGciOiJSUzI1NiIsImtpZCI6 is bad", "token [...] is bad"},
        {"line 1: eyJzdWIi\?OiJzeXN0\?ZW0ifQ.c; end", "line 1: [...]; end"},
        {"e y J z d W I i O i J z e X N 0", "[...]"},
        {"signature c2lnbmF0dXJl, algorithm JSUzI1NiIsImtp", "signature [...], algorithm [...]"},
        {"no c2lnbmF part", "no c2lnbmF part"},
        {"", ""},
        {"c2lnbmF0", "[...]"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char detail[DETAIL_SIZE];

        snprintf(detail, sizeof(detail), "%s", cases[i].detail);
        detail_hide(detail, secret, strlen(secret));
        assert_string_equal(detail, cases[i].expected);
    }
}

static void an_answer_that_quotes_its_token_does_not_show_it(void **state)
{
    CLEANUP(answer_donep)
    struct provider_answer answer = {0};
    static const char body[] =
        "{\"error\":\"a\",\"error_description\":\"not pul-0123 456789abcdef\","
        "\"access_token\":\"pul-0123456789abcdef\"}";

    (void)state;
    answer_read(200, body, strlen(body), &answer);
    assert_string_equal(answer.detail, "HTTP 200: a: not [...]");
}

/* Wherever the detail is truncated, it shows at most a short run of a secret. */
static void no_truncation_shows_a_part_of_a_secret(void **state)
{
    char secret[120];

    (void)state;
    memset(secret, 'S', sizeof(secret) - 1);
    secret[sizeof(secret) - 1] = '\0';
    for (size_t padding = 0; padding < 300; padding++) {
        struct provider_answer answer = {0};
        char text[512] = "";

        for (size_t i = 0; i < padding; i++)
            strcat(text, i % 8 == 7 ? " " : "x");
        strcat(text, " ");
        strcat(text, secret);
        strcat(text, " end");
        detail_add(answer.detail, text);
        assert_null(strchr(answer.detail, 'S'));
        detail_add(answer.detail, secret);
        detail_add(answer.detail, secret + 60);
        assert_null(strchr(answer.detail, 'S'));
        assert_true(strlen(answer.detail) < sizeof(answer.detail));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_is_read_from_a_complete_answer),
        cmocka_unit_test(every_truncation_of_an_answer_is_malformed),
        cmocka_unit_test(each_answer_has_one_outcome),
        cmocka_unit_test(an_error_that_is_not_a_string_is_an_error),
        cmocka_unit_test(an_incomplete_token_is_malformed),
        cmocka_unit_test(lifetimes_and_lengths_are_bounded),
        cmocka_unit_test(the_detail_has_the_explanation_from_the_server),
        cmocka_unit_test(long_unbroken_runs_are_replaced),
        cmocka_unit_test(pieces_of_a_secret_are_hidden),
        cmocka_unit_test(an_answer_that_quotes_its_token_does_not_show_it),
        cmocka_unit_test(no_truncation_shows_a_part_of_a_secret),
    };

    log_init("test_oauth", -1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
