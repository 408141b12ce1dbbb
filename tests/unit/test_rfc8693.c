/* Token exchange with any server: settings, the exact bytes of a request, and recorded answers. */
#include "support/provider.h"

#define TOKEN_URL  "TokenURL=https://dex.example.com/dex/token"
#define FORM       "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange"
#define TYPE(name) "urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3A" name

static const char *const good_lines[] = {TOKEN_URL, NULL};
static const char *const client_lines[] = {TOKEN_URL, "ClientID=podlogin",
                                           "ClientSecretFile=/etc/podlogin/secret", NULL};

static void settings_are_checked(void **state)
{
    static const char *const good[][LINES_MAX] = {
        {TOKEN_URL},
        {TOKEN_URL, "ClientID=podlogin"},
        {TOKEN_URL, "ClientID=podlogin", "ClientSecretFile=/secret"},
        {TOKEN_URL, "ClientID=podlogin", "ClientSecretFile=/secret",
         "ClientAuthentication=client_secret_post"},
        {TOKEN_URL, "RequestedTokenType=jwt",
         "SubjectTokenType=urn:ietf:params:oauth:token-type:jwt"},
        {TOKEN_URL, "Parameters=connector_id=kubernetes&x=a%20b&y="},
        {TOKEN_URL, "Lifetime=10min", "EnvironmentVariable=GOOGLE_TOKEN"},
        {TOKEN_URL, "Audience=//iam.googleapis.com/projects/1/x", "Scope=a b",
         "Resource=https://x"},
    };
    static const struct {
        const char *lines[LINES_MAX];
        const char *reason;
    } bad[] = {
        {{NULL}, "TokenURL= is missing"},
        {{"TokenURL=http://dex/token"}, "TokenURL= takes an https:// URL"},
        {{TOKEN_URL, "ClientSecretFile=/secret"}, "ClientSecretFile= requires ClientID="},
        {{TOKEN_URL, "ClientID=x", "ClientSecretFile=secret"}, "ClientSecretFile= takes a path"},
        {{TOKEN_URL, "ClientID=x", "ClientAuthentication=client_secret_post"},
         "ClientAuthentication= requires ClientSecretFile="},
        {{TOKEN_URL, "ClientAuthentication=private_key_jwt"},
         "ClientAuthentication= takes client_secret_basic or client_secret_post"},
        {{TOKEN_URL, "RequestedTokenType=token"}, "RequestedTokenType= takes access_token"},
        {{TOKEN_URL, "SubjectTokenType=a:b c"}, "SubjectTokenType= takes access_token"},
        {{TOKEN_URL, "Parameters=connector_id"}, "Parameters= takes fields"},
        {{TOKEN_URL, "Parameters==x"}, "Parameters= takes fields"},
        {{TOKEN_URL, "Parameters=a=b&"}, "Parameters= takes fields"},
        {{TOKEN_URL, "Parameters=a=b&&c=d"}, "Parameters= takes fields"},
        {{TOKEN_URL, "Parameters=a=b c"}, "Parameters= takes fields"},
        {{TOKEN_URL, "Parameters=a=%2"}, "Parameters= takes fields"},
        {{TOKEN_URL, "Parameters=a=%zz"}, "Parameters= takes fields"},
        {{TOKEN_URL, "Parameters=subject_token=x"}, "Parameters= takes fields"},
        {{TOKEN_URL, "Parameters=a=b&client_secret=x"}, "Parameters= takes fields"},
        {{TOKEN_URL, "Lifetime=0"}, "Lifetime= takes a time span"},
        {{TOKEN_URL, "Lifetime=8d"}, "Lifetime= takes a time span"},
        {{TOKEN_URL, "EnvironmentVariable=LD_PRELOAD"}, "EnvironmentVariable= takes the name"},
        {{TOKEN_URL, "EnvironmentVariable=token"}, "EnvironmentVariable= takes the name"},
    };

    (void)state;
    assert_ptr_equal(provider_find("rfc8693"), &provider_rfc8693);
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_settings_valid(&provider_rfc8693, good[i]);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_settings_refused(&provider_rfc8693, bad[i].lines, bad[i].reason);
}

static void requests_are_those_of_the_rfc(void **state)
{
    static const struct request_case cases[] = {
        {{TOKEN_URL},
         "a.b-_.c",
         "https://dex.example.com/dex/token",
         FORM "&subject_token=a.b-_.c&subject_token_type=" TYPE("id_token"),
         {NULL}},
        {{TOKEN_URL, "ClientID=public client"},
         "j",
         "https://dex.example.com/dex/token",
         FORM "&subject_token=j&subject_token_type=" TYPE("id_token") "&client_id=public%20client",
         {NULL}},
        /* "podlogin:s%20e%3Ac%2Br%2Fet", for RFC 6749 encodes both before they are joined */
        {{TOKEN_URL, "ClientID=podlogin", "ClientSecretFile=/s",
          "Parameters=connector_id=kubernetes"},
         "j",
         "https://dex.example.com/dex/token",
         FORM "&subject_token=j&subject_token_type=" TYPE("id_token") "&connector_id=kubernetes",
         {"Authorization: Basic cG9kbG9naW46cyUyMGUlM0FjJTJCciUyRmV0"}},
        {{TOKEN_URL, "ClientID=podlogin", "ClientSecretFile=/s",
          "ClientAuthentication=client_secret_post"},
         "j",
         "https://dex.example.com/dex/token",
         FORM "&subject_token=j&subject_token_type=" TYPE(
             "id_token") "&client_id=podlogin"
                         "&client_secret=s%20e%3Ac%2Br%2Fet",
         {NULL}},
        {{"TokenURL=https://sts.googleapis.com/v1/token",
          "Audience=//iam.googleapis.com/projects/1", "Scope=https://x/a b", "Resource=urn:r",
          "RequestedTokenType=access_token", "SubjectTokenType=jwt",
          "Parameters=options=%7B%7D&x="},
         "j",
         "https://sts.googleapis.com/v1/token",
         FORM "&resource=urn%3Ar&audience=%2F%2Fiam.googleapis.com%2Fprojects%2F1"
              "&scope=https%3A%2F%2Fx%2Fa%20b&requested_token_type=" TYPE(
                  "access_token") "&subject_token=j&subject_token_type=" TYPE("jwt") "&options=%7B%"
                                                                                     "7D&x=",
         {NULL}},
    };
    static const char *const invalid[] = {"ClientID=x", NULL};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_request(&provider_rfc8693_exchange, &cases[i], "s e:c+r/et", "application/json",
                       "application/x-www-form-urlencoded");
    assert_request_invalid(&provider_rfc8693_exchange, invalid);
    assert_request_invalid(&provider_rfc8693_exchange, client_lines); /* without the secret */
}

/* As Dex answers it. */
#define DEX                                                                                        \
    "{\"access_token\":\"eyJSECRET.x.y\",\"issued_token_type\":"                                   \
    "\"urn:ietf:params:oauth:token-type:access_token\",\"token_type\":\"bearer\","                 \
    "\"expires_in\":86399}"

static void lifetime_and_variable_come_from_the_settings(void **state)
{
    static const struct {
        const char *lines[4];
        const char *body, *variable;
        uint32_t expires_in_s;
    } cases[] = {
        {{TOKEN_URL}, DEX, "ACCESS_TOKEN", 86399},
        {{TOKEN_URL, "Lifetime=1h", "EnvironmentVariable=X_TOKEN"}, DEX, "X_TOKEN", 86399},
        {{TOKEN_URL}, "{\"access_token\":\"x\",\"token_type\":\"N_A\"}", "ACCESS_TOKEN", 300},
        {{TOKEN_URL, "Lifetime=1h"},
         "{\"access_token\":\"x\",\"token_type\":\"Bearer\",\"expires_in\":null}",
         "ACCESS_TOKEN",
         3600},
        {{TOKEN_URL},
         "{\"access_token\":\"x\",\"token_type\":\"Bearer\",\"expires_in\":99999999999}",
         "ACCESS_TOKEN",
         TOKEN_LIFETIME_MAX_S},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct provider_values values = provider_values_of(&provider_rfc8693, cases[i].lines);
        struct provider_answer answer = {0};

        provider_read(&provider_rfc8693_exchange, &values, 200, cases[i].body,
                      strlen(cases[i].body), &answer);
        assert_int_equal(answer.outcome, OUTCOME_OK);
        assert_int_equal(answer.n_variables, 1);
        assert_string_equal(answer.variables[0].name, cases[i].variable);
        assert_int_equal(answer.expires_in_s, cases[i].expires_in_s);
        assert_false(provider_may_set(&provider_rfc8693, &values, "PULUMI_ACCESS_TOKEN", 19));
        provider_answer_done(&answer);
    }
}

static const struct answer_case all_cases[] = {
    {"Dex", 200, DEX, OUTCOME_OK, NULL, 0},
    {"Google", 200,
     "{\"access_token\":\"ya29.x\",\"issued_token_type\":"
     "\"urn:ietf:params:oauth:token-type:access_token\",\"token_type\":\"Bearer\","
     "\"expires_in\":3599}",
     OUTCOME_OK, NULL, 0},
    {"a refresh token is dropped", 200,
     "{\"access_token\":\"x\",\"token_type\":\"Bearer\",\"expires_in\":60,"
     "\"refresh_token\":\"SECRET\"}",
     OUTCOME_OK, NULL, 0},

    {"no token", 200, "{\"token_type\":\"Bearer\",\"expires_in\":60}", OUTCOME_MALFORMED,
     "access_token", 0},
    {"no type", 200, "{\"access_token\":\"SECRET\",\"expires_in\":60}", OUTCOME_MALFORMED,
     "token_type", 0},
    {"no lifetime left", 200,
     "{\"access_token\":\"SECRET\",\"token_type\":\"Bearer\",\"expires_in\":0}", OUTCOME_MALFORMED,
     "expires_in", 0},
    {"a text as lifetime", 200,
     "{\"access_token\":\"SECRET\",\"token_type\":\"Bearer\",\"expires_in\":\"60\"}",
     OUTCOME_MALFORMED, "expires_in", 0},

    {"Dex: a refused JWT", 401, "{\"error\":\"access_denied\"}", OUTCOME_REFUSED,
     "HTTP 401: access_denied", 0},
    {"Dex: a connector of others", 400,
     "{\"error\":\"invalid_grant\",\"error_description\":\"Connector not allowed for this "
     "client.\"}",
     OUTCOME_REFUSED, "Connector not allowed", 0},
    {"Keycloak: a bad token", 400,
     "{\"error\":\"invalid_token\",\"error_description\":\"Invalid token\"}", OUTCOME_REFUSED,
     "Invalid token", 0},
    {"Google: another audience", 400,
     "{\"error\":\"invalid_grant\",\"error_description\":\"The audience in ID Token does not match "
     "the expected audience.\"}",
     OUTCOME_REFUSED, NULL, 0},

    {"Dex: a connector that is none", 400,
     "{\"error\":\"invalid_request\",\"error_description\":\"Requested connector does not "
     "exist.\"}",
     OUTCOME_MISCONFIGURED, "connector does not exist", 0},
    {"Dex: another type of token", 400,
     "{\"error\":\"request_not_supported\",\"error_description\":\"Invalid subject_token_type.\"}",
     OUTCOME_MISCONFIGURED, NULL, 0},
    {"Dex: no such grant", 400, "{\"error\":\"unsupported_grant_type\"}", OUTCOME_MISCONFIGURED,
     NULL, 0},
    {"an unknown target", 400, "{\"error\":\"invalid_target\"}", OUTCOME_MISCONFIGURED, NULL, 0},
    {"an unknown scope", 400, "{\"error\":\"invalid_scope\"}", OUTCOME_MISCONFIGURED, NULL, 0},
    {"a client that may not", 400, "{\"error\":\"unauthorized_client\"}", OUTCOME_MISCONFIGURED,
     NULL, 0},

    {"429", 429, "{\"error\":\"slow_down\"}", OUTCOME_THROTTLED, NULL, 0},
    {"503 with Retry-After", 503, "", OUTCOME_THROTTLED, NULL, 1000},
    {"Dex: the storage", 500, "{\"error\":\"server_error\"}", OUTCOME_UNAVAILABLE, NULL, 0},
};

/* Only with a secret of its own is a client known to be wrong, whatever the JWT. */
static void each_answer_has_one_outcome(void **state)
{
    static const char client[] = "{\"error\":\"invalid_client\",\"error_description\":\"Invalid "
                                 "client credentials.\"}";
    static const struct answer_case with[] = {
        {"a wrong secret", 401, client, OUTCOME_MISCONFIGURED, "Invalid client credentials", 0},
        {"a refused JWT", 401, "{\"error\":\"access_denied\"}", OUTCOME_REFUSED, NULL, 0},
        {"server errors stay", 500, client, OUTCOME_UNAVAILABLE, NULL, 0},
    };
    static const struct answer_case without[] = {
        {"no secret", 401, client, OUTCOME_REFUSED, "Invalid client credentials", 0},
    };

    (void)state;
    assert_answers(&provider_rfc8693_exchange, good_lines, all_cases, ARRAY_SIZE(all_cases));
    assert_answers(&provider_rfc8693_exchange, client_lines, all_cases, ARRAY_SIZE(all_cases));
    assert_answers(&provider_rfc8693_exchange, client_lines, with, ARRAY_SIZE(with));
    assert_answers(&provider_rfc8693_exchange, good_lines, without, ARRAY_SIZE(without));
    assert_truncations_malformed(&provider_rfc8693_exchange, good_lines, DEX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_are_checked),
        cmocka_unit_test(requests_are_those_of_the_rfc),
        cmocka_unit_test(lifetime_and_variable_come_from_the_settings),
        cmocka_unit_test(each_answer_has_one_outcome),
    };

    log_init("test", LOG_ERR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
