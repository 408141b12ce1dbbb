/* Pulumi Cloud: its settings, the exact bytes of a request, and the variables of an answer. */
#include "support/provider.h"

static struct provider_values values_of(const char *const *lines)
{
    return provider_values_of(&provider_pulumi, lines);
}

static void the_provider_is_found_by_its_exact_name(void **state)
{
    static const char *const others[] = {"", "Pulumi", "pulum", "pulumi ", "pulumi2", "aws"};
    size_t n = 0;

    (void)state;
    assert_ptr_equal(provider_find("pulumi"), &provider_pulumi);
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        assert_null(provider_find(others[i]));
    while (provider_pulumi.settings[n].name)
        n++;
    assert_in_range(n, 1, PROVIDER_SETTINGS_MAX);
}

static void valid_settings_are_accepted(void **state)
{
    static const char *const cases[][8] = {
        {"Organization=acme"},
        {"Organization=acme", "TokenType=organization"},
        {"Organization=acme", "TokenType=organization", "Scope=admin"},
        {"Organization=acme", "TokenType=team", "Team=ops"},
        {"Organization=acme", "TokenType=team", "Scope=team:ops"},
        {"Organization=acme", "TokenType=personal", "User=ci-bot"},
        {"Organization=acme", "TokenType=runner", "Runner=pool"},
        {"Organization=acme", "Expiration=2h"},
        {"Organization=acme", "Expiration=1"},
        {"Organization=acme", "Expiration=7d"},
        {"Organization=acme", "APIURL=https://pulumi.example.com/"},
        {"Organization=acme", "TokenType="},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char error[256] = "";

        if (provider_settings_check(&provider_pulumi, cases[i], error, sizeof(error)) != 0)
            fail_msg("row %zu: %s", i, error);
    }
}

static void invalid_settings_are_refused_with_a_reason(void **state)
{
    static const struct {
        const char *lines[8];
        const char *reason;
    } cases[] = {
        {{NULL}, "Organization= is missing"},
        {{"TokenType=organization"}, "Organization= is missing"},
        {{"Organization=a", "TokenType=Team", "Team=x"},
         "TokenType= takes organization, team, personal or runner"},
        {{"Organization=a", "TokenType=user", "User=x"},
         "TokenType= takes organization, team, personal or runner"},
        {{"Organization=a", "TokenType=team"}, "Team="},
        {{"Organization=a", "TokenType=personal"}, "User="},
        {{"Organization=a", "TokenType=runner"}, "Runner="},
        {{"Organization=a", "User=x"}, "User=x cannot be used with TokenType=organization"},
        {{"Organization=a", "Team=x"}, "Team=x cannot be used with TokenType=organization"},
        {{"Organization=a", "Runner=x"}, "Runner=x cannot be used with TokenType=organization"},
        {{"Organization=a", "TokenType=team", "Team=x", "User=y"},
         "User=y cannot be used with TokenType=team"},
        {{"Organization=a", "TokenType=personal", "Team=x", "User=y"},
         "Team=x cannot be used with TokenType=personal"},
        {{"Organization=a", "TokenType=team", "Team=x", "Scope=team:y"}, "Team= and Scope="},
        {{"Organization=a b"}, "Organization= takes a name of at most 256 visible ASCII"},
        {{"Organization=\xc3\xa9"}, "Organization= takes a name of at most 256 visible ASCII"},
        {{"Organization=a", "TokenType=personal", "User=a b"}, "User= takes a name of at most"},
        {{"Organization=a", "Expiration=0"}, "Expiration="},
        {{"Organization=a", "Expiration=0s"}, "Expiration="},
        {{"Organization=a", "Expiration=-1"}, "Expiration="},
        {{"Organization=a", "Expiration=soon"}, "Expiration="},
        {{"Organization=a", "Expiration=7d 1s"}, "Expiration="},
        {{"Organization=a", "Expiration=8d"}, "Expiration="},
        {{"Organization=a", "Expiration=18446744073709551615"}, "Expiration="},
        {{"Organization=a", "Expiration=18446744073709551616"}, "Expiration="},
        {{"Organization=a", "APIURL=http://host"}, "APIURL="},
        {{"Organization=a", "APIURL=https://user@host"}, "APIURL="},
        {{"Organization=a", "APIURL=https://host/?x"}, "APIURL="},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char error[256] = "";

        if (provider_settings_check(&provider_pulumi, cases[i].lines, error, sizeof(error)) !=
                -EINVAL ||
            !strstr(error, cases[i].reason))
            fail_msg("row %zu: \"%s\", not \"%s\"", i, error, cases[i].reason);
    }
}

#define BODY(audience, expiration, type, scope, jwt)                                               \
    "audience=urn%3Apulumi%3Aorg%3A" audience "&expiration=" expiration                            \
    "&grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange"                        \
    "&requested_token_type=urn%3Apulumi%3Atoken-type%3Aaccess_token%3A" type "&scope=" scope       \
    "&subject_token=" jwt                                                                          \
    "&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aid_token"

static void requests_are_in_the_format_of_pulumi_cloud(void **state)
{
    static const struct {
        const char *lines[8];
        const char *jwt, *url, *body;
    } cases[] = {
        {{"Organization=acme"},
         "a.b-_.c",
         "https://api.pulumi.com/api/oauth/token",
         BODY("acme", "7200", "organization", "", "a.b-_.c")},
        {{"Organization=acme", "Scope=admin"},
         "j",
         "https://api.pulumi.com/api/oauth/token",
         BODY("acme", "7200", "organization", "admin", "j")},
        {{"Organization=acme", "TokenType=team", "Team=ops"},
         "j",
         "https://api.pulumi.com/api/oauth/token",
         BODY("acme", "7200", "team", "team%3Aops", "j")},
        {{"Organization=acme", "TokenType=personal", "User=ci-bot", "Expiration=90min"},
         "j",
         "https://api.pulumi.com/api/oauth/token",
         BODY("acme", "5400", "personal", "user%3Aci-bot", "j")},
        {{"Organization=acme", "TokenType=runner", "Runner=pool 1"},
         "j",
         "https://api.pulumi.com/api/oauth/token",
         BODY("acme", "7200", "runner", "runner%3Apool%201", "j")},
        {{"Organization=acme", "TokenType=runner", "Scope=runner:x"},
         "j",
         "https://api.pulumi.com/api/oauth/token",
         BODY("acme", "7200", "runner", "runner%3Ax", "j")},
        {{"Organization=acme", "APIURL=https://host"},
         "j",
         "https://host/api/oauth/token",
         BODY("acme", "7200", "organization", "", "j")},
        {{"Organization=acme", "APIURL=https://host/"},
         "j",
         "https://host/api/oauth/token",
         BODY("acme", "7200", "organization", "", "j")},
        {{"Organization=acme", "APIURL=https://host:8443/pulumi/"},
         "j",
         "https://host:8443/pulumi/api/oauth/token",
         BODY("acme", "7200", "organization", "", "j")},
        {{"Organization=a&scope=admin"},
         "x&scope=admin",
         "https://api.pulumi.com/api/oauth/token",
         BODY("a%26scope%3Dadmin", "7200", "organization", "", "x%26scope%3Dadmin")},
        {{"Organization=acme", "TokenType=team", "Team=a&expiration=1"},
         "j",
         "https://api.pulumi.com/api/oauth/token",
         BODY("acme", "7200", "team", "team%3Aa%26expiration%3D1", "j")},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct provider_values values = values_of(cases[i].lines);
        CLEANUP(secret_freep)
        struct secret *jwt = secret_new(cases[i].jwt, strlen(cases[i].jwt));
        struct provider_request request = {0};

        assert_int_equal(provider_pulumi_exchange.request(&values, jwt, &request), 0);
        assert_string_equal(request.url, cases[i].url);
        assert_string_equal(request.method, "POST");
        assert_string_equal(request.accept, "application/vnd.pulumi+8");
        assert_string_equal(request.content_type, "application/x-www-form-urlencoded");
        assert_int_equal(request.n_headers, 0);
        if (request.body->len != strlen(cases[i].body) ||
            memcmp(request.body->bytes, cases[i].body, request.body->len) != 0)
            fail_msg("row %zu: %.*s", i, (int)request.body->len, (char *)request.body->bytes);
        provider_request_done(&request);
    }
}

static void a_request_without_checked_settings_is_refused(void **state)
{
    static const char *const cases[][4] = {
        {"TokenType=organization"},
        {"Organization=acme", "TokenType=x"},
        {"Organization=acme", "Expiration=x"},
    };
    CLEANUP(secret_freep)
    struct secret *jwt = secret_new("j", 1);

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct provider_values values = values_of(cases[i]);
        struct provider_request request = {0};

        assert_int_equal(provider_pulumi_exchange.request(&values, jwt, &request), -EINVAL);
        assert_null(request.url);
        assert_null(request.body);
    }
}

static void the_token_always_comes_with_the_url_that_it_is_for(void **state)
{
    static const char body[] =
        "{\"access_token\":\"pul-x\",\"token_type\":\"token\",\"expires_in\":7200}";
    static const struct {
        const char *lines[4];
        const char *backend;
    } cases[] = {
        {{"Organization=acme"}, "https://api.pulumi.com"},
        {{"Organization=acme", "APIURL=https://host/x"}, "https://host/x"},
        {{"Organization=acme", "APIURL=https://host/x/"}, "https://host/x"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct provider_values values = values_of(cases[i].lines);
        struct provider_answer answer = {0};

        assert_int_equal(provider_pulumi_exchange.answer(&values, 200, body, strlen(body), &answer),
                         0);
        assert_int_equal(answer.outcome, OUTCOME_OK);
        assert_int_equal(answer.n_variables, 3);
        assert_string_equal(answer.variables[0].name, "PULUMI_ACCESS_TOKEN");
        assert_string_equal(answer.variables[1].name, "PULUMI_BACKEND_URL");
        assert_int_equal(answer.variables[1].value->len, strlen(cases[i].backend));
        assert_memory_equal(answer.variables[1].value->bytes, cases[i].backend,
                            strlen(cases[i].backend));
        assert_string_equal(answer.variables[2].name, "PULUMI_DEFAULT_ORGANIZATION");
        assert_int_equal(answer.variables[2].value->len, 4);
        assert_memory_equal(answer.variables[2].value->bytes, "acme", 4);
        for (size_t j = 0; j < answer.n_variables; j++)
            assert_true(provider_may_set(&provider_pulumi, &values, answer.variables[j].name,
                                         strlen(answer.variables[j].name)));
        provider_answer_done(&answer);
        assert_int_equal(provider_pulumi_exchange.answer(&values, 403, body, 0, &answer), 0);
        assert_int_equal(answer.outcome, OUTCOME_REFUSED);
        assert_int_equal(answer.n_variables, 0);
        provider_answer_done(&answer);
    }
}

#define TEMPLATE(url, name)                                                                        \
    "{\"current\":\"" url "\",\"accessTokens\":{\"" url "\":\"%t\"},\"accounts\":{\"" url          \
    "\":{\"accessToken\":\"%t\",\"username\":\"" name "\",\"lastValidatedAt\":\"%n\","             \
    "\"tokenInformation\":{\"name\":\"\",\"expiresAt\":\"%e\"}}}}"

static void the_credentials_file_names_backend_and_account(void **state)
{
    static const struct {
        const char *lines[5];
        const char *template;
    } cases[] = {
        {{"Organization=acme"}, TEMPLATE("https://api.pulumi.com", "acme")},
        {{"Organization=acme", "APIURL=https://host/x/"}, TEMPLATE("https://host/x", "acme")},
        {{"Organization=acme", "TokenType=team", "Team=platform"},
         TEMPLATE("https://api.pulumi.com", "acme")},
        {{"Organization=acme", "TokenType=personal", "User=ci-bot"},
         TEMPLATE("https://api.pulumi.com", "ci-bot")},
        /* whose token it is, only Pulumi Cloud knows */
        {{"Organization=acme", "TokenType=personal", "Scope=user:ci-bot"},
         TEMPLATE("https://api.pulumi.com", "")},
        /* neither JSON nor the template is broken by a value */
        {{"Organization=a%t\"\\b", "APIURL=https://host/%7Ex"},
         TEMPLATE("https://host/%%7Ex", "a%%t\\\"\\\\b")},
    };

    (void)state;
    assert_string_equal(provider_pulumi.directory_variable, "PULUMI_CREDENTIALS_PATH");
    assert_string_equal(provider_pulumi.files[0].name, "credentials.json");
    assert_null(provider_pulumi.files[1].name);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct provider_values values = values_of(cases[i].lines);
        char *template = provider_pulumi.files[0].template(&values);

        assert_string_equal(template, cases[i].template);
        free(template);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_provider_is_found_by_its_exact_name),
        cmocka_unit_test(valid_settings_are_accepted),
        cmocka_unit_test(invalid_settings_are_refused_with_a_reason),
        cmocka_unit_test(requests_are_in_the_format_of_pulumi_cloud),
        cmocka_unit_test(a_request_without_checked_settings_is_refused),
        cmocka_unit_test(the_token_always_comes_with_the_url_that_it_is_for),
        cmocka_unit_test(the_credentials_file_names_backend_and_account),
    };

    log_init("test_pulumi", -1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
