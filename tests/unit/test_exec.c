/* A program that exchanges tokens: settings, what it reads, and what its output and status mean. */
#include "support/provider.h"

#include "provider/exec.h"

#define COMMAND "Command=/usr/local/bin/exchange --for ci"

static const char *const good_lines[] = {COMMAND, "Variables=CI_URL CI_USER", NULL};

static void settings_are_checked(void **state)
{
    static const char *const good[][LINES_MAX] = {
        {COMMAND},
        {"Command=/x"},
        {"Command=/x  a\tb "},
        {COMMAND, "Timeout=1s"},
        {COMMAND, "Timeout=10s"},
        {COMMAND, "Timeout="},
        {COMMAND, "Variables= CI_URL\tCI_USER  "},
        {COMMAND, "Variables=A B C D E F G H"},
        {COMMAND, "EnvironmentVariable=CI_TOKEN"},
        {COMMAND, "ReadPaths=/opt/exchange /etc/exchange.conf", "ReadWritePaths=/var/cache/x"},
    };
    static const struct {
        const char *lines[LINES_MAX];
        const char *reason;
    } bad[] = {
        {{NULL}, "Command= is missing"},
        {{"Command="}, "Command= is missing"},
        {{"Command=exchange"}, "Command= takes the path of a program"},
        {{"Command= /x"}, "Command= takes the path of a program"},
        {{"Command=/x \"a b\""}, "Command= takes the path of a program"},
        {{"Command=/x 'a'"}, "Command= takes the path of a program"},
        {{"Command=/x a\\ b"}, "Command= takes the path of a program"},
        {{"Command=/x $HOME"}, "Command= takes the path of a program"},
        {{"Command=/x `id`"}, "Command= takes the path of a program"},
        {{"Command=/x 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 "
          "29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 "
          "58 59 60 61 62 63 64"},
         "Command= takes the path of a program"},
        {{COMMAND, "Timeout=0"}, "Timeout= takes a time span from 1s to 10s"},
        {{COMMAND, "Timeout=11s"}, "Timeout= takes a time span from 1s to 10s"},
        {{COMMAND, "Timeout=1500ms"}, "Timeout= takes a time span from 1s to 10s"},
        {{COMMAND, "Variables=A B C D E F G H I"}, "Variables= takes at most 8 names"},
        {{COMMAND, "Variables=CI_URL,CI_USER"}, "Variables= takes at most 8 names"},
        {{COMMAND, "Variables=CI_URL LD_PRELOAD"}, "Variables= takes at most 8 names"},
        {{COMMAND, "Variables=PATH"}, "Variables= takes at most 8 names"},
        {{COMMAND, "EnvironmentVariable=BASH_ENV"}, "EnvironmentVariable= takes the name"},
        {{COMMAND, "EnvironmentVariable=A B"}, "EnvironmentVariable= takes the name"},
        {{COMMAND, "Variables=CI_URL ACCESS_TOKEN"},
         "Variables= names ACCESS_TOKEN, which is the variable of the token"},
        {{COMMAND, "EnvironmentVariable=X", "Variables=X"}, "Variables= names X"},
        {{COMMAND, "ReadPaths=opt"}, "ReadPaths= takes at most 16 paths"},
        {{COMMAND, "ReadWritePaths=/x ."}, "ReadWritePaths= takes at most 16 paths"},
    };

    (void)state;
    assert_ptr_equal(provider_find("exec"), &provider_exec);
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_settings_valid(&provider_exec, good[i]);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_settings_refused(&provider_exec, bad[i].lines, bad[i].reason);
}

static void answers_may_set_what_the_settings_name(void **state)
{
    static const struct {
        const char *lines[LINES_MAX], *name;
        bool may;
    } cases[] = {
        {{COMMAND}, "ACCESS_TOKEN", true},
        {{COMMAND, "EnvironmentVariable=X"}, "X", true},
        {{COMMAND, "EnvironmentVariable=X"}, "ACCESS_TOKEN", false},
        {{COMMAND, "Variables=CI_URL CI_USER"}, "CI_URL", true},
        {{COMMAND, "Variables=CI_URL CI_USER"}, "CI_USER", true},
        {{COMMAND, "Variables=CI_URL CI_USER"}, "CI_U", false},
        {{COMMAND, "Variables=CI_URL CI_USER"}, "CI_URL CI_USER", false},
        {{COMMAND, "Variables=CI_URL CI_USER"}, "", false},
        {{COMMAND}, "CI_URL", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct provider_values values = provider_values_of(&provider_exec, cases[i].lines);

        if (provider_may_set(&provider_exec, &values, cases[i].name, strlen(cases[i].name)) !=
            cases[i].may)
            fail_msg("%zu: %s", i, cases[i].name);
    }
}

static void the_program_reads_the_jwt(void **state)
{
    static const char body[] =
        "{\"subject_token_type\":\"urn:ietf:params:oauth:token-type:jwt\",\"subject_token\":"
        "\"a.b-_.c\"}";
    static const char *const invalid[] = {"Timeout=1s", NULL};
    struct provider_values values = provider_values_of(&provider_exec, good_lines);
    struct provider_request request = {0};
    CLEANUP(secret_freep)
    struct secret *jwt = secret_new("a.b-_.c", 7);

    (void)state;
    assert_int_equal(provider_exec_exchange.request(&values, jwt, &request), 0);
    assert_string_equal(request.method, "run");
    assert_string_equal(request.url, "/usr/local/bin/exchange --for ci");
    assert_int_equal(request.body->len, strlen(body));
    assert_memory_equal(request.body->bytes, body, strlen(body));
    provider_request_done(&request);
    assert_request_invalid(&provider_exec_exchange, invalid);
}

static void variables_and_lifetimes_are_read(void **state)
{
    static const struct {
        const char *body, *token_type, *url, *user;
        uint32_t expires_in_s;
        int64_t expires_at_s;
    } cases[] = {
        {"{\"access_token\":\"t\",\"expires_in\":60}", "Bearer", NULL, NULL, 60, 0},
        {"{\"access_token\":\"t\",\"token_type\":\"x\",\"expires_at\":4102444800}", "x", NULL, NULL,
         TOKEN_LIFETIME_MAX_S, 4102444800},
        {"{\"access_token\":\"t\",\"expires_in\":60,\"expires_at\":4102444800}", "Bearer", NULL,
         NULL, 60, 4102444800},
        {"{\"access_token\":\"t\",\"expires_in\":60,\"variables\":{\"CI_URL\":\"u\"}}", "Bearer",
         "u", NULL, 60, 0},
        {"{\"access_token\":\"t\",\"expires_in\":60,\"variables\":{\"CI_USER\":\"\",\"CI_URL\":"
         "\"a b\"}, \"more\":1}",
         "Bearer", "a b", "", 60, 0},
        {"{\"access_token\":\"t\",\"expires_in\":60,\"error\":null,\"variables\":{}}", "Bearer",
         NULL, NULL, 60, 0},
    };
    struct provider_values values = provider_values_of(&provider_exec, good_lines);

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct provider_answer answer = {0};
        const char *text;

        provider_read(&provider_exec_exchange, &values, 0, cases[i].body, strlen(cases[i].body),
                      &answer);
        assert_int_equal(answer.outcome, OUTCOME_OK);
        assert_string_equal(answer.variables[0].name, "ACCESS_TOKEN");
        assert_string_equal(answer.token_type, cases[i].token_type);
        assert_int_equal(answer.expires_in_s, cases[i].expires_in_s);
        assert_int_equal(answer.expires_at_s, cases[i].expires_at_s);
        text = answer_variable(&answer, "CI_URL");
        assert_string_equal(text ? text : "-", cases[i].url ? cases[i].url : "-");
        text = answer_variable(&answer, "CI_USER");
        assert_string_equal(text ? text : "-", cases[i].user ? cases[i].user : "-");
        provider_answer_done(&answer);
    }
}

#define TOKEN "\"access_token\":\"SECRET\",\"expires_in\":60"

static void each_end_has_one_outcome(void **state)
{
    static const struct answer_case cases[] = {
        {"a token", 0, "{" TOKEN "}", OUTCOME_OK, NULL, 0},
        {"a token, and a newline", 0, "{" TOKEN "}\n", OUTCOME_OK, NULL, 0},

        {"nothing", 0, "", OUTCOME_MALFORMED, "is not a JSON object", 0},
        {"a text", 0, "SECRET", OUTCOME_MALFORMED, "is not a JSON object", 0},
        {"an array", 0, "[]", OUTCOME_MALFORMED, "is not a JSON object", 0},
        {"two objects", 0, "{" TOKEN "}{}", OUTCOME_MALFORMED, "is not a JSON object", 0},
        {"a member twice", 0, "{" TOKEN ",\"expires_in\":60}", OUTCOME_MALFORMED,
         "is not a JSON object", 0},
        {"no token", 0, "{\"expires_in\":60}", OUTCOME_MALFORMED, "access_token", 0},
        {"a token of blanks", 0, "{\"access_token\":\" \",\"expires_in\":60}", OUTCOME_MALFORMED,
         "access_token", 0},
        {"no lifetime", 0, "{\"access_token\":\"SECRET\"}", OUTCOME_MALFORMED, "expires_in", 0},
        {"an end that is a text", 0,
         "{\"access_token\":\"SECRET\",\"expires_at\":\"2030-01-01T00:00:00Z\"}", OUTCOME_MALFORMED,
         "expires_in", 0},
        {"an end before 1970", 0, "{\"access_token\":\"SECRET\",\"expires_at\":-1}",
         OUTCOME_MALFORMED, "expires_in", 0},
        {"a type that is a number", 0, "{" TOKEN ",\"token_type\":1}", OUTCOME_MALFORMED,
         "token_type", 0},
        {"another variable", 0, "{" TOKEN ",\"variables\":{\"CI_URL\":\"SECRET\",\"PATH\":\"x\"}}",
         OUTCOME_MALFORMED, "Variables= does not name", 0},
        {"the token's variable", 0, "{" TOKEN ",\"variables\":{\"ACCESS_TOKEN\":\"SECRET\"}}",
         OUTCOME_MALFORMED, "Variables= does not name", 0},
        {"a variable that is a number", 0, "{" TOKEN ",\"variables\":{\"CI_URL\":1}}",
         OUTCOME_MALFORMED, "not to a string", 0},
        {"a variable with a line feed", 0, "{" TOKEN ",\"variables\":{\"CI_URL\":\"a\\nb\"}}",
         OUTCOME_MALFORMED, "not printable ASCII", 0},
        {"a variable that is not ASCII", 0, "{" TOKEN ",\"variables\":{\"CI_URL\":\"\xc3\xa4\"}}",
         OUTCOME_MALFORMED, "not printable ASCII", 0},
        {"variables that are a list", 0, "{" TOKEN ",\"variables\":[]}", OUTCOME_MALFORMED,
         "not a JSON object", 0},

        {"an error", 0, "{\"error\":\"invalid_grant\"}", OUTCOME_REFUSED,
         "the program ended with status 0: invalid_grant", 0},
        {"an error and a token", 0, "{" TOKEN ",\"error\":\"invalid_scope\"}",
         OUTCOME_MISCONFIGURED, "invalid_scope", 0},
        {"an error that is an object", 0, "{\"error\":{\"message\":\"no\"}}", OUTCOME_MISCONFIGURED,
         "status 0: error: no", 0},
        {"an error that passes", 0, "{\"error\":\"temporarily_unavailable\"}", OUTCOME_UNAVAILABLE,
         NULL, 0},
        {"too often", 1, "{\"error\":\"slow_down\"}", OUTCOME_THROTTLED, NULL, 0},

        {"failed", 1, "", OUTCOME_UNAVAILABLE, "the program ended with status 1", 0},
        {"failed with a token", 1, "{" TOKEN "}", OUTCOME_UNAVAILABLE, "status 1", 0},
        {"failed, with a text", 2, "SECRET", OUTCOME_UNAVAILABLE, "status 2", 0},
        {"not found by a shell", 127, "", OUTCOME_UNAVAILABLE, "status 127", 0},
        {"failed, with an error", 22,
         "{\"error\":\"access_denied\",\"error_description\":\"not you\"}", OUTCOME_REFUSED,
         "status 22: access_denied: not you", 0},
        {"try again", 75, "{\"error\":\"invalid_grant\"}", OUTCOME_UNAVAILABLE, "status 75", 0},
        {"refused", 77, "", OUTCOME_REFUSED, "status 77", 0},
        {"refused, with an error", 77, "{\"error\":\"x\",\"error_description\":\"why\"}",
         OUTCOME_REFUSED, "status 77: x: why", 0},
        {"misconfigured", 78, "{\"error\":\"invalid_grant\"}", OUTCOME_MISCONFIGURED,
         "status 78: invalid_grant", 0},
        {"an error that quotes the token", 1,
         "{\"error\":\"x\",\"error_description\":\"it was SECRETSECRET\",\"access_token\":"
         "\"SECRETSECRET\"}",
         OUTCOME_MISCONFIGURED, "it was [...]", 0},
    };

    (void)state;
    assert_answers(&provider_exec_exchange, good_lines, cases, ARRAY_SIZE(cases));
}

static void every_truncation_of_an_answer_is_malformed(void **state)
{
    static const char body[] = "{" TOKEN ",\"variables\":{\"CI_URL\":\"x\"}}";
    struct provider_values values = provider_values_of(&provider_exec, good_lines);

    (void)state;
    for (size_t len = 0; len < strlen(body); len++) {
        struct provider_answer answer = {0};

        provider_read(&provider_exec_exchange, &values, 0, body, len, &answer);
        assert_int_equal(answer.outcome, OUTCOME_MALFORMED);
        provider_answer_done(&answer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_are_checked),
        cmocka_unit_test(answers_may_set_what_the_settings_name),
        cmocka_unit_test(the_program_reads_the_jwt),
        cmocka_unit_test(variables_and_lifetimes_are_read),
        cmocka_unit_test(each_end_has_one_outcome),
        cmocka_unit_test(every_truncation_of_an_answer_is_malformed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
