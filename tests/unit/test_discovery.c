/* Discovery documents: accepted only from the right issuer and with an https jwks_uri. */
#include "exchanger/keys_job.h"
#include "support/check.h"

#define ISSUER "https://oidc.example.com/id/1"
#define KEYS   "https://oidc.example.com/id/1/keys"

static char *read_exact(const char *body, size_t len, char *ret_error)
{
    CLEANUP(freep)
    char *exact = copy_of(body, len);

    *ret_error = '\0';
    return discovery_read(exact, len, ISSUER, ret_error);
}

static void the_url_of_the_key_set_is_read(void **state)
{
    static const char *const cases[] = {
        "{\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"" KEYS "\"}",
        " {\"jwks_uri\":\"" KEYS "\",\"x\":[1,{}],\"issuer\":\"" ISSUER "\"}\n",
        "{\"issuer\":\"https:\\/\\/oidc.example.com\\/id\\/1\",\"jwks_uri\":\"" KEYS "\"}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char error[DISCOVERY_ERROR_SIZE];
        CLEANUP(freep)
        char *url = read_exact(cases[i], strlen(cases[i]), error);

        assert_non_null(url);
        assert_string_equal(url, KEYS);
    }
}

static void the_url_may_have_a_query(void **state)
{
    static const char body[] =
        "{\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"https://login.example/keys?p=policy&v=2\"}";
    char error[DISCOVERY_ERROR_SIZE];
    CLEANUP(freep)
    char *url = read_exact(body, strlen(body), error);

    (void)state;
    assert_string_equal(url, "https://login.example/keys?p=policy&v=2");
}

static void invalid_documents_are_refused_with_a_reason(void **state)
{
    static const struct {
        const char *body, *reason;
    } cases[] = {
        {"", "not a JSON object"},
        {"[]", "not a JSON object"},
        {"<html>", "not a JSON object"},
        {"null", "not a JSON object"},
        {"{\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"" KEYS "\"}x", "not a JSON object"},
        {"{\"issuer\":\"" ISSUER "\",\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"" KEYS "\"}",
         "not a JSON object"},
        {"{\"issuer\":\"" ISSUER "\\u0000x\",\"jwks_uri\":\"" KEYS "\"}", "not a JSON object"},
        {"{\"jwks_uri\":\"" KEYS "\"}", "another issuer"},
        {"{\"issuer\":null,\"jwks_uri\":\"" KEYS "\"}", "another issuer"},
        {"{\"issuer\":[\"" ISSUER "\"],\"jwks_uri\":\"" KEYS "\"}", "another issuer"},
        {"{\"issuer\":\"\",\"jwks_uri\":\"" KEYS "\"}", "another issuer"},
        {"{\"issuer\":\"" ISSUER "/\",\"jwks_uri\":\"" KEYS "\"}", "another issuer"},
        {"{\"issuer\":\"" ISSUER "0\",\"jwks_uri\":\"" KEYS "\"}", "another issuer"},
        {"{\"issuer\":\"https://oidc.example.com/id/\",\"jwks_uri\":\"" KEYS "\"}",
         "another issuer"},
        {"{\"issuer\":\"https://OIDC.example.com/id/1\",\"jwks_uri\":\"" KEYS "\"}",
         "another issuer"},
        {"{\"issuer\":\" " ISSUER "\",\"jwks_uri\":\"" KEYS "\"}", "another issuer"},
        {"{\"issuer\":\"" ISSUER "\"}", "jwks_uri"},
        {"{\"issuer\":\"" ISSUER "\",\"jwks_uri\":null}", "jwks_uri"},
        {"{\"issuer\":\"" ISSUER "\",\"jwks_uri\":1}", "jwks_uri"},
        {"{\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"\"}", "jwks_uri"},
        {"{\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"/keys\"}", "jwks_uri"},
        {"{\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"http://oidc.example.com/keys\"}", "jwks_uri"},
        {"{\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"file:///etc/passwd\"}", "jwks_uri"},
        {"{\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"https://user@host/keys\"}", "jwks_uri"},
        {"{\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"https://host/keys\\r\\nX: y\"}", "jwks_uri"},
        {"{\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"https://host/#x\"}", "jwks_uri"},
        {"{\"issuer\":\"https://b\\n\",\"jwks_uri\":\"" KEYS "\"}",
         "another issuer: https://b? instead of " ISSUER},
        {"{\"issuer\":\"" ISSUER "\",\"JWKS_URI\":\"" KEYS "\"}", "jwks_uri"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char error[DISCOVERY_ERROR_SIZE];
        CLEANUP(freep)
        char *url = read_exact(cases[i].body, strlen(cases[i].body), error);

        if (url || !strstr(error, cases[i].reason))
            fail_msg("%s: %s", cases[i].body, url ? "accepted" : error);
    }
}

static void every_truncation_is_refused(void **state)
{
    static const char whole[] = "{\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"" KEYS "\"}";

    (void)state;
    for (size_t cut = 0; cut < strlen(whole); cut++) {
        char error[DISCOVERY_ERROR_SIZE];

        assert_null(read_exact(whole, cut, error));
        assert_true(error[0]);
    }
    assert_null(discovery_read(NULL, 0, ISSUER, (char[DISCOVERY_ERROR_SIZE]){0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_url_of_the_key_set_is_read),
        cmocka_unit_test(the_url_may_have_a_query),
        cmocka_unit_test(invalid_documents_are_refused_with_a_reason),
        cmocka_unit_test(every_truncation_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
