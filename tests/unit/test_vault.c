/* Vault and OpenBao: settings, the exact bytes of a request, and answers as servers gave them. */
#include "support/provider.h"

#define ADDRESS "Address=https://vault.example.com:8200"

static const char *const good_lines[] = {ADDRESS, "Role=ci", NULL};

static void settings_are_checked(void **state)
{
    static const char *const good[][4] = {
        {ADDRESS},
        {ADDRESS "/"},
        {ADDRESS, "Mount=jwt"},
        {ADDRESS, "Mount=kubernetes/prod-1", "Role=ci", "Namespace=team/a/"},
        {ADDRESS, "Namespace="},
    };
    static const struct {
        const char *lines[4];
        const char *reason;
    } bad[] = {
        {{NULL}, "Address= is missing"},
        {{"Role=ci"}, "Address= is missing"},
        {{"Address=http://vault:8200"}, "Address= takes an https:// URL"},
        {{ADDRESS "/v1"}, "Address= takes the URL without /v1"},
        {{ADDRESS "/v1/"}, "Address= takes the URL without /v1"},
        {{ADDRESS, "Mount=auth/jwt"}, "Mount= takes the path without auth/"},
        {{ADDRESS, "Namespace=/a/"}, "such as team/a"},
        {{ADDRESS, "Mount=/jwt"}, "Mount= takes a path"},
        {{ADDRESS, "Mount=a//b"}, "Mount= takes a path"},
        {{ADDRESS, "Mount=../sys"}, "Mount= takes a path"},
        {{ADDRESS, "Mount=a b"}, "Mount= takes a path"},
        {{ADDRESS, "Mount=a?b"}, "Mount= takes a path"},
        {{ADDRESS, "Role=a b"}, "Role= takes a name"},
        {{ADDRESS, "Namespace=a\r"}, "Namespace= takes a path"},
    };

    (void)state;
    assert_ptr_equal(provider_find("vault"), &provider_vault);
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_settings_valid(&provider_vault, good[i]);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_settings_refused(&provider_vault, bad[i].lines, bad[i].reason);
}

static void requests_are_logins_at_the_mount(void **state)
{
    static const struct request_case cases[] = {
        {{ADDRESS},
         "a.b-_.c",
         "https://vault.example.com:8200/v1/auth/jwt/login",
         "{\"jwt\":\"a.b-_.c\"}",
         {"X-Vault-Request: true"}},
        {{ADDRESS "/x/", "Mount=k8s/prod/", "Role=c\"i", "Namespace=team/a"},
         "j",
         "https://vault.example.com:8200/x/v1/auth/k8s/prod/login",
         "{\"jwt\":\"j\",\"role\":\"c\\\"i\"}",
         {"X-Vault-Request: true", "X-Vault-Namespace: team/a"}},
    };
    static const char *const invalid[] = {"Role=ci", NULL};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_request(&provider_vault_exchange, &cases[i], NULL, "application/json",
                       "application/json");
    assert_request_invalid(&provider_vault_exchange, invalid);
}

/* As OpenBao 2 writes it; Vault has the same members. */
#define LOGIN(auth)                                                                                \
    "{\"request_id\":\"0e5b5b1e-5f0c-7b6e-90a6-1e5bd5f4a3a1\",\"lease_id\":\"\","                  \
    "\"renewable\":false,\"lease_duration\":0,\"data\":null,\"wrap_info\":null,"                   \
    "\"warnings\":null,\"auth\":" auth "}"
#define AUTH(token, lease, more)                                                                   \
    "{\"client_token\":" token ",\"accessor\":\"SECRETaccessor\",\"policies\":[\"default\"],"      \
    "\"token_policies\":[\"default\"],\"metadata\":{\"role\":\"ci\"},\"lease_duration\":" lease    \
    ",\"renewable\":true,\"entity_id\":\"38e40a47\",\"token_type\":\"service\","                   \
    "\"orphan\":true,\"mfa_requirement\":null" more "}"
#define GOOD LOGIN(AUTH("\"hvs.CAESIFSECRET\"", "3600", ",\"num_uses\":0")) "\n"

static void a_lease_becomes_a_token_with_its_place(void **state)
{
    static const char *const lines[] = {ADDRESS "/", "Namespace=team/a/", NULL};
    struct provider_values values = provider_values_of(&provider_vault, lines);
    struct provider_answer answer = {0};

    (void)state;
    provider_read(&provider_vault_exchange, &values, 200, GOOD, strlen(GOOD), &answer);
    assert_int_equal(answer.outcome, OUTCOME_OK);
    assert_int_equal(answer.n_variables, 3);
    assert_string_equal(answer.variables[0].name, "VAULT_TOKEN");
    assert_string_equal(answer_variable(&answer, "VAULT_TOKEN"), "hvs.CAESIFSECRET");
    assert_string_equal(answer_variable(&answer, "VAULT_ADDR"), "https://vault.example.com:8200");
    assert_string_equal(answer_variable(&answer, "VAULT_NAMESPACE"), "team/a/");
    assert_string_equal(answer.token_type, "Bearer");
    assert_int_equal(answer.expires_in_s, 3600);
    provider_answer_done(&answer);

    values = provider_values_of(&provider_vault, good_lines);
    provider_read(&provider_vault_exchange, &values, 200, GOOD, strlen(GOOD), &answer);
    assert_int_equal(answer.n_variables, 2);
    assert_null(answer_variable(&answer, "VAULT_NAMESPACE"));
    provider_answer_done(&answer);
}

/* Of another namespace, agent or token, the environment keeps nothing. */
static void what_would_lead_elsewhere_is_unset(void **state)
{
    static const char *const names[] = {"VAULT_NAMESPACE", "VAULT_AGENT_ADDR", "BAO_ADDR",
                                        "BAO_TOKEN", "BAO_NAMESPACE"};
    size_t n = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        for (const char *const *name = provider_vault.unset; *name; name++)
            n += strcmp(*name, names[i]) == 0;
    assert_int_equal(n, ARRAY_SIZE(names));
}

#define ERROR(text) "{\"errors\":[\"" text "\"]}\n"

static void each_answer_has_one_outcome(void **state)
{
    static const struct answer_case cases[] = {
        {"a lease", 200, GOOD, OUTCOME_OK, NULL, 0},
        {"a lease that a proxy delays", 200, GOOD, OUTCOME_OK, NULL, 5000},
        {"a batch token", 200, LOGIN(AUTH("\"hvb.x\"", "60", "")), OUTCOME_OK, NULL, 0},
        {"a year", 200, LOGIN(AUTH("\"hvs.x\"", "31536000", "")), OUTCOME_OK, NULL, 0},

        {"no token", 200, LOGIN(AUTH("\"\"", "3600", "")), OUTCOME_MALFORMED, "auth.client_token",
         0},
        {"a blank", 200, LOGIN(AUTH("\"hvs. SECRET\"", "3600", "")), OUTCOME_MALFORMED,
         "auth.client_token", 0},
        {"a number", 200, LOGIN(AUTH("1", "3600", "")), OUTCOME_MALFORMED, "auth.client_token", 0},
        {"no end", 200, LOGIN(AUTH("\"hvs.x\"", "0", "")), OUTCOME_MALFORMED, "auth.lease_duration",
         0},
        {"a negative end", 200, LOGIN(AUTH("\"hvs.x\"", "-1", "")), OUTCOME_MALFORMED,
         "auth.lease_duration", 0},
        {"a text as end", 200, LOGIN(AUTH("\"hvs.x\"", "\"3600\"", "")), OUTCOME_MALFORMED,
         "auth.lease_duration", 0},
        {"no auth", 200, LOGIN("null"), OUTCOME_MALFORMED, "auth.client_token", 0},
        {"auth of another kind", 200, LOGIN("\"hvs.SECRET\""), OUTCOME_MALFORMED,
         "auth.client_token", 0},
        {"no JSON", 200, "<html>", OUTCOME_MALFORMED, "not a JSON object", 0},
        {"nothing", 200, "", OUTCOME_MALFORMED, "not a JSON object", 0},
        {"204", 204, "", OUTCOME_MALFORMED, "HTTP 204", 0},
        {"a redirect to the active node", 307, "", OUTCOME_MALFORMED, "HTTP 307", 0},
        {"a lease and errors", 200,
         "{\"errors\":[\"no\"],\"auth\":{\"client_token\":\"hvs.x\",\"lease_duration\":1}}",
         OUTCOME_MALFORMED, "no", 0},

        {"few uses", 200, LOGIN(AUTH("\"hvs.x\"", "3600", ",\"num_uses\":1")),
         OUTCOME_MISCONFIGURED, "token_num_uses", 0},
        {"a second factor", 200,
         LOGIN("{\"client_token\":\"\",\"mfa_requirement\":{\"mfa_request_id\":\"x\"}}"),
         OUTCOME_MISCONFIGURED, "second factor", 0},
        {"an unknown role", 400, ERROR("role \\\"ci\\\" could not be found"), OUTCOME_MISCONFIGURED,
         "role \"ci\" could not be found", 0},
        {"no role", 400, ERROR("missing role"), OUTCOME_MISCONFIGURED, "missing role", 0},
        {"no configuration", 400, ERROR("could not load configuration"), OUTCOME_MISCONFIGURED,
         NULL, 0},
        {"an OIDC role", 400, ERROR("role with oidc role_type is not allowed"),
         OUTCOME_MISCONFIGURED, NULL, 0},
        {"no audience in the role", 400,
         ERROR("audience claim found in JWT but no audiences bound to the role"),
         OUTCOME_MISCONFIGURED, NULL, 0},
        {"an unknown mount", 404,
         ERROR("no handler for route \\\"auth/jwt/login\\\". route entry not found."),
         OUTCOME_MISCONFIGURED, "no handler for route", 0},
        {"405", 405, ERROR("unsupported operation"), OUTCOME_MISCONFIGURED, NULL, 0},

        {"another audience", 400,
         ERROR("error validating token: invalid audience (aud) claim: audience claim does not "
               "match any bound audience"),
         OUTCOME_REFUSED, "invalid audience (aud) claim", 0},
        {"another claim", 400,
         ERROR("error validating claims: claim \\\"/kubernetes.io/namespace\\\" does not match any "
               "associated bound claim values"),
         OUTCOME_REFUSED, "does not match any associated", 0},
        {"no claim", 400, ERROR("claim \\\"sub\\\" not found in token"), OUTCOME_REFUSED, NULL, 0},
        {"a bad signature", 400,
         ERROR("error validating token: error verifying token signature: no known key "
               "successfully validated the token signature"),
         OUTCOME_REFUSED, NULL, 0},
        {"an expired token", 400,
         ERROR("error validating token: invalid expiration time (exp) claim: token is expired"),
         OUTCOME_REFUSED, "token is expired", 0},
        {"403", 403, ERROR("permission denied"), OUTCOME_REFUSED, "permission denied", 0},
        {"a key that the server cannot fetch", 400,
         ERROR("error validating token: error verifying token signature: fetching keys oidc: get "
               "keys failed: 503 Service Unavailable "),
         OUTCOME_UNAVAILABLE, "503 Service Unavailable", 0},
        {"an issuer that does not answer a server that has begun", 400,
         ERROR("error configuring token validator: keyset configuration error: Get "
               "\\\"https://localhost:18441/id/STANDIN/.well-known/openid-configuration\\\": "
               "connection reset by peer"),
         OUTCOME_UNAVAILABLE, "connection reset by peer", 0},
        {"two errors", 400, "{\"errors\":[\"1 error occurred\",\"one more\"]}", OUTCOME_REFUSED,
         "1 error occurred: one more", 0},
        {"a JWT in an error", 400,
         ERROR("error validating token: "
               "eyJhbGciOiJSUzI1NiIsSECRETSECRETSECRETSECRETSECRETSECRET"),
         OUTCOME_REFUSED, "[...]", 0},
        {"no words", 400, "{\"errors\":[]}", OUTCOME_MISCONFIGURED, "HTTP 400", 0},

        {"a quota", 429, ERROR("request path \\\"auth/jwt/login\\\": rate limit quota exceeded"),
         OUTCOME_THROTTLED, "rate limit quota exceeded", 0},
        {"503 with Retry-After", 503, ERROR("Vault is sealed"), OUTCOME_THROTTLED, NULL, 1000},
        {"sealed", 503, ERROR("Vault is sealed"), OUTCOME_UNAVAILABLE, "Vault is sealed", 0},
        {"500", 500, ERROR("internal error"), OUTCOME_UNAVAILABLE, NULL, 0},
        {"502 of a proxy", 502, "<html>", OUTCOME_UNAVAILABLE, "not a JSON object", 0},
        {"a standby node", 473, ERROR("standby"), OUTCOME_MISCONFIGURED, NULL, 0},
    };

    (void)state;
    assert_answers(&provider_vault_exchange, good_lines, cases, ARRAY_SIZE(cases));
    assert_truncations_malformed(&provider_vault_exchange, good_lines,
                                 LOGIN(AUTH("\"hvs.x\"", "60", "")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_are_checked),
        cmocka_unit_test(requests_are_logins_at_the_mount),
        cmocka_unit_test(a_lease_becomes_a_token_with_its_place),
        cmocka_unit_test(what_would_lead_elsewhere_is_unset),
        cmocka_unit_test(each_answer_has_one_outcome),
    };

    log_init("test", LOG_ERR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
