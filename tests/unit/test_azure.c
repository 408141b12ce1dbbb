/* Microsoft Entra ID: settings, the exact bytes of a request, and answers. */
#include "support/provider.h"

#define TENANT "Tenant=72f988bf-86f1-41af-91ab-2d7cd011db47"
#define CLIENT "ClientID=6731de76-14a6-49ae-97bc-6eba6914391e"

static const char *const good_lines[] = {TENANT, CLIENT, NULL};

static void settings_are_checked(void **state)
{
    static const char *const good[][LINES_MAX] = {
        {TENANT, CLIENT},
        {"Tenant=contoso.onmicrosoft.com", CLIENT, "Scope=https://vault.azure.net/.default"},
        {TENANT, CLIENT, "Endpoint=https://login.microsoftonline.us/"},
        {TENANT, CLIENT, "EnvironmentVariable=ARM_ACCESS_TOKEN"},
    };
    static const struct {
        const char *lines[LINES_MAX];
        const char *reason;
    } bad[] = {
        {{CLIENT}, "Tenant= is missing"},
        {{TENANT}, "ClientID= is missing"},
        {{"Tenant=a/b", CLIENT}, "Tenant= takes the id of a tenant"},
        {{"Tenant=..", CLIENT}, "Tenant= takes the id of a tenant"},
        {{"Tenant=a?b", CLIENT}, "Tenant= takes the id of a tenant"},
        {{TENANT, "ClientID=a b"}, "ClientID= takes a name"},
        {{TENANT, CLIENT, "Scope=User.Read"}, "Scope= takes one scope that ends with /.default"},
        {{TENANT, CLIENT, "Endpoint=http://login"}, "Endpoint= takes an https:// URL"},
        {{TENANT, CLIENT, "EnvironmentVariable=AZURE_CONFIG_DIR"}, "EnvironmentVariable= takes"},
    };

    (void)state;
    assert_ptr_equal(provider_find("azure"), &provider_azure);
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_settings_valid(&provider_azure, good[i]);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_settings_refused(&provider_azure, bad[i].lines, bad[i].reason);
}

#define PATH "72f988bf-86f1-41af-91ab-2d7cd011db47/oauth2/v2.0/token"
#define BODY(scope)                                                                                \
    "client_id=6731de76-14a6-49ae-97bc-6eba6914391e&scope=" scope                                  \
    "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"      \
    "&client_assertion=a.b-_.c&grant_type=client_credentials"

static void requests_are_those_of_a_client_with_an_assertion(void **state)
{
    static const struct request_case cases[] = {
        {{TENANT, CLIENT},
         "a.b-_.c",
         "https://login.microsoftonline.com/" PATH,
         BODY("https%3A%2F%2Fmanagement.azure.com%2F.default"),
         {NULL}},
        {{TENANT, CLIENT, "Scope=x/.default", "Endpoint=https://login.microsoftonline.us/"},
         "a.b-_.c",
         "https://login.microsoftonline.us/" PATH,
         BODY("x%2F.default"),
         {NULL}},
    };
    static const char *const invalid[][3] = {{TENANT}, {CLIENT}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_request(&provider_azure_exchange, &cases[i], NULL, "application/json",
                       "application/x-www-form-urlencoded");
    for (size_t i = 0; i < ARRAY_SIZE(invalid); i++)
        assert_request_invalid(&provider_azure_exchange, invalid[i]);
}

#define GOOD                                                                                       \
    "{\"token_type\":\"Bearer\",\"expires_in\":3599,\"ext_expires_in\":3599,"                      \
    "\"access_token\":\"eyJ0eXAi.SECRET.x\"}"
#define ERROR(error, number, text)                                                                 \
    "{\"error\":\"" error "\",\"error_description\":\"AADSTS" number ": " text                     \
    " Trace ID: 0000aaaa-11bb-cccc-dd22-eeeeee333333 Correlation ID: "                             \
    "aaaa0000-bb11-2222-33cc-444444dddddd Timestamp: 2026-01-09 "                                  \
    "02:02:12Z\",\"error_codes\":[" number                                                         \
    "],\"timestamp\":\"2026-01-09 02:02:12Z\",\"trace_id\":"                                       \
    "\"0000aaaa-11bb-cccc-dd22-eeeeee333333\",\"correlation_id\":"                                 \
    "\"aaaa0000-bb11-2222-33cc-444444dddddd\"}"

static void each_answer_has_one_outcome(void **state)
{
    static const struct answer_case cases[] = {
        {"a token", 200, GOOD, OUTCOME_OK, NULL, 0},
        {"no lifetime", 200, "{\"token_type\":\"Bearer\",\"access_token\":\"SECRET\"}",
         OUTCOME_MALFORMED, "expires_in", 0},
        {"an expired assertion", 401,
         ERROR("invalid_client", "700024", "Client assertion is not within its valid time range."),
         OUTCOME_REFUSED, "AADSTS700024", 0},
        {"no federated credential", 401,
         ERROR("invalid_client", "70021", "No matching federated identity record found"),
         OUTCOME_REFUSED, "AADSTS70021", 0},
        {"an unknown application", 400,
         ERROR("unauthorized_client", "700016", "Application was not found in the directory"),
         OUTCOME_MISCONFIGURED, "AADSTS700016", 0},
        {"an unknown tenant", 400, ERROR("invalid_request", "90002", "Tenant not found."),
         OUTCOME_MISCONFIGURED, "AADSTS90002", 0},
        {"an unknown scope", 400, ERROR("invalid_scope", "70011", "The scope is not valid."),
         OUTCOME_MISCONFIGURED, "AADSTS70011", 0},
        {"a bad resource", 400, ERROR("invalid_resource", "500011", "The resource was not found"),
         OUTCOME_MISCONFIGURED, NULL, 0},
        {"busy", 503, ERROR("temporarily_unavailable", "90033", "A transient error occurred."),
         OUTCOME_UNAVAILABLE, NULL, 0},
        {"throttled", 429, ERROR("invalid_request", "90055", "Too many requests"),
         OUTCOME_THROTTLED, NULL, 0},
        {"500", 500, "", OUTCOME_UNAVAILABLE, NULL, 0},
        {"a page", 200, "<html>", OUTCOME_MALFORMED, NULL, 0},
    };
    struct provider_values values = provider_values_of(&provider_azure, good_lines);
    struct provider_answer answer = {0};

    (void)state;
    assert_answers(&provider_azure_exchange, good_lines, cases, ARRAY_SIZE(cases));
    assert_truncations_malformed(&provider_azure_exchange, good_lines, GOOD);
    provider_read(&provider_azure_exchange, &values, 200, GOOD, strlen(GOOD), &answer);
    assert_string_equal(answer_variable(&answer, "AZURE_ACCESS_TOKEN"), "eyJ0eXAi.SECRET.x");
    assert_int_equal(answer.n_variables, 1);
    assert_int_equal(answer.expires_in_s, 3599);
    provider_answer_done(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_are_checked),
        cmocka_unit_test(requests_are_those_of_a_client_with_an_assertion),
        cmocka_unit_test(each_answer_has_one_outcome),
    };

    log_init("test", LOG_ERR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
