/* The claims of a service-account token: their form, the consistency of "sub", and time. */
#include "base/json.h"
#include "identity/claims.h"
#include "protocol/messages.h"
#include "support/check.h"

static const char good[] =
    "{\"aud\":[\"urn:pulumi:org:acme\"],\"exp\":1782050000,\"iat\":1782046400,\"nbf\":1782046400,"
    "\"iss\":\"https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE\","
    "\"jti\":\"c0e7f9a2\",\"kubernetes.io\":{\"namespace\":\"ci\","
    "\"node\":{\"name\":\"ip-10-10-4-26\",\"uid\":\"ffc5761d\"},"
    "\"pod\":{\"name\":\"job-abc\",\"uid\":\"3227b947\"},"
    "\"serviceaccount\":{\"name\":\"pulumi-runner\",\"uid\":\"bece172b\"}},"
    "\"sub\":\"system:serviceaccount:ci:pulumi-runner\"}";

static void the_claims_of_kubernetes_are_read(void **state)
{
    CLEANUP(freep)
    struct json_value *payload = json_value_read(good, strlen(good));
    struct claims claims;
    struct refusal refusal;

    (void)state;
    assert_int_equal(claims_read(payload, &claims, &refusal), PODLOGIN_OK);
    assert_string_equal(claims.issuer, "https://oidc.eks.us-west-2.amazonaws.com/id/"
                                       "EXAMPLED539D4633E53DE1B71EXAMPLE");
    assert_string_equal(claims.subject, "system:serviceaccount:ci:pulumi-runner");
    assert_int_equal(claims.n_audiences, 1);
    assert_string_equal(claims.audiences[0], "urn:pulumi:org:acme");
    assert_int_equal(claims.expires_at_s, 1782050000);
    assert_int_equal(claims.issued_at_s, 1782046400);
    assert_int_equal(claims.not_before_s, 1782046400);
    assert_string_equal(claims.namespace, "ci");
    assert_string_equal(claims.serviceaccount, "pulumi-runner");
    assert_string_equal(claims.serviceaccount_uid, "bece172b");
    assert_string_equal(claims.pod, "job-abc");
    assert_string_equal(claims.pod_uid, "3227b947");
    assert_null(claims.secret_uid);
}

#define K8S          "kubernetes.io/"
#define TEN          "0123456789"
#define HUNDRED      TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
#define FIVE_HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED

/* Sets the member at @path to @value, JSON; NULL removes it. */
static const struct {
    const char *why, *path, *value;
    enum podlogin_status expected;
} changes[] = {
    {"nothing", "x", NULL, PODLOGIN_OK},
    {"no jti", "jti", NULL, PODLOGIN_OK},
    {"no nbf", "nbf", NULL, PODLOGIN_OK},
    {"no node", K8S "node", NULL, PODLOGIN_OK},
    {"no pod", K8S "pod", NULL, PODLOGIN_OK},
    {"a secret", K8S "secret", "{\"name\":\"s\",\"uid\":\"u\"}", PODLOGIN_OK},
    {"an unknown claim", "email", "{\"a\":[1]}", PODLOGIN_OK},
    {"one audience as a string", "aud", "\"a\"", PODLOGIN_OK},
    {"sixteen audiences", "aud",
     "[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\",\"12\",\"13\",\"14\","
     "\"15\","
     "\"16\"]",
     PODLOGIN_OK},
    {"an issuer of 512 bytes", "iss", "\"" FIVE_HUNDRED TEN "01\"", PODLOGIN_OK},
    {"an issuer that is not ASCII", "iss", "\"\xc3\xa4\"", PODLOGIN_OK},
    {"the latest exp that is valid", "exp", "4611686018427387902", PODLOGIN_OK},

    {"no iss", "iss", NULL, PODLOGIN_TOKEN_MALFORMED},
    {"an empty iss", "iss", "\"\"", PODLOGIN_TOKEN_MALFORMED},
    {"iss null", "iss", "null", PODLOGIN_TOKEN_MALFORMED},
    {"a number as iss", "iss", "1", PODLOGIN_TOKEN_MALFORMED},
    {"an array as iss", "iss", "[\"https://a\"]", PODLOGIN_TOKEN_MALFORMED},
    {"an object as iss", "iss", "{}", PODLOGIN_TOKEN_MALFORMED},
    {"a newline in iss", "iss", "\"a\\nb\"", PODLOGIN_TOKEN_MALFORMED},
    {"an escape in iss", "iss", "\"\\u001b[2J\"", PODLOGIN_TOKEN_MALFORMED},
    {"a delete in iss", "iss", "\"a\\u007f\"", PODLOGIN_TOKEN_MALFORMED},
    {"an issuer of 513 bytes", "iss", "\"" FIVE_HUNDRED TEN "012\"", PODLOGIN_TOKEN_MALFORMED},

    {"no aud", "aud", NULL, PODLOGIN_TOKEN_MALFORMED},
    {"aud null", "aud", "null", PODLOGIN_TOKEN_MALFORMED},
    {"no audience", "aud", "[]", PODLOGIN_TOKEN_MALFORMED},
    {"an empty audience", "aud", "\"\"", PODLOGIN_TOKEN_MALFORMED},
    {"an empty audience in the array", "aud", "[\"a\",\"\"]", PODLOGIN_TOKEN_MALFORMED},
    {"a number among audiences", "aud", "[\"a\",1]", PODLOGIN_TOKEN_MALFORMED},
    {"null among audiences", "aud", "[null]", PODLOGIN_TOKEN_MALFORMED},
    {"an array of arrays", "aud", "[[\"a\"]]", PODLOGIN_TOKEN_MALFORMED},
    {"an object as aud", "aud", "{\"a\":1}", PODLOGIN_TOKEN_MALFORMED},
    {"a number as aud", "aud", "1", PODLOGIN_TOKEN_MALFORMED},
    {"true as aud", "aud", "true", PODLOGIN_TOKEN_MALFORMED},
    {"a newline in aud", "aud", "\"a\\nb\"", PODLOGIN_TOKEN_MALFORMED},
    {"an audience of 513 bytes", "aud", "\"" FIVE_HUNDRED TEN "012\"", PODLOGIN_TOKEN_MALFORMED},
    {"an audience of 513 bytes in the array", "aud", "[\"" FIVE_HUNDRED TEN "012\"]",
     PODLOGIN_TOKEN_MALFORMED},
    {"seventeen audiences", "aud",
     "[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\",\"12\",\"13\",\"14\","
     "\"15\","
     "\"16\",\"17\"]",
     PODLOGIN_TOKEN_MALFORMED},

    {"no exp", "exp", NULL, PODLOGIN_TOKEN_MALFORMED},
    {"exp null", "exp", "null", PODLOGIN_TOKEN_MALFORMED},
    {"exp 0", "exp", "0", PODLOGIN_TOKEN_MALFORMED},
    {"exp -1", "exp", "-1", PODLOGIN_TOKEN_MALFORMED},
    {"text as exp", "exp", "\"1782050000\"", PODLOGIN_TOKEN_MALFORMED},
    {"a fraction as exp", "exp", "1782050000.5", PODLOGIN_TOKEN_MALFORMED},
    {"a whole fraction as exp", "exp", "1782050000.0", PODLOGIN_TOKEN_MALFORMED},
    {"an exponent as exp", "exp", "1e300", PODLOGIN_TOKEN_MALFORMED},
    {"true as exp", "exp", "true", PODLOGIN_TOKEN_MALFORMED},
    {"an array as exp", "exp", "[1782050000]", PODLOGIN_TOKEN_MALFORMED},
    {"exp at half of what 64 bits hold", "exp", "4611686018427387903", PODLOGIN_TOKEN_MALFORMED},
    {"the greatest number as exp", "exp", "9223372036854775807", PODLOGIN_TOKEN_MALFORMED},
    {"the smallest number as exp", "exp", "-9223372036854775808", PODLOGIN_TOKEN_MALFORMED},
    {"no iat", "iat", NULL, PODLOGIN_TOKEN_MALFORMED},
    {"iat 0", "iat", "0", PODLOGIN_TOKEN_MALFORMED},
    {"a negative iat", "iat", "-1782046400", PODLOGIN_TOKEN_MALFORMED},
    {"text as iat", "iat", "\"1782046400\"", PODLOGIN_TOKEN_MALFORMED},
    {"a fraction as iat", "iat", "1782046400.25", PODLOGIN_TOKEN_MALFORMED},
    {"the greatest number as iat", "iat", "9223372036854775807", PODLOGIN_TOKEN_MALFORMED},
    {"nbf null", "nbf", "null", PODLOGIN_TOKEN_MALFORMED},
    {"a negative nbf", "nbf", "-1", PODLOGIN_TOKEN_MALFORMED},
    {"text as nbf", "nbf", "\"soon\"", PODLOGIN_TOKEN_MALFORMED},
    {"a fraction as nbf", "nbf", "1782046400.0", PODLOGIN_TOKEN_MALFORMED},
    {"the greatest number as nbf", "nbf", "9223372036854775807", PODLOGIN_TOKEN_MALFORMED},

    {"no sub", "sub", NULL, PODLOGIN_TOKEN_MALFORMED},
    {"an empty sub", "sub", "\"\"", PODLOGIN_TOKEN_MALFORMED},
    {"an array as sub", "sub", "[\"system:serviceaccount:ci:pulumi-runner\"]",
     PODLOGIN_TOKEN_MALFORMED},
    {"sub of another account", "sub", "\"system:serviceaccount:ci:admin\"",
     PODLOGIN_TOKEN_MALFORMED},
    {"sub of another namespace", "sub", "\"system:serviceaccount:prod:pulumi-runner\"",
     PODLOGIN_TOKEN_MALFORMED},
    {"sub without an account", "sub", "\"system:serviceaccount:ci\"", PODLOGIN_TOKEN_MALFORMED},
    {"sub with a further part", "sub", "\"system:serviceaccount:ci:pulumi-runner:x\"",
     PODLOGIN_TOKEN_MALFORMED},
    {"sub with a trailing space", "sub", "\"system:serviceaccount:ci:pulumi-runner \"",
     PODLOGIN_TOKEN_MALFORMED},
    {"sub in capitals", "sub", "\"system:serviceaccount:CI:pulumi-runner\"",
     PODLOGIN_TOKEN_MALFORMED},
    {"sub of a human user", "sub", "\"pulumi-runner\"", PODLOGIN_TOKEN_MALFORMED},
    {"sub of a node", "sub", "\"system:node:ip-10-10-4-26\"", PODLOGIN_TOKEN_MALFORMED},

    {"no private claims", "kubernetes.io", NULL, PODLOGIN_TOKEN_MALFORMED},
    {"private claims as text", "kubernetes.io", "\"ci\"", PODLOGIN_TOKEN_MALFORMED},
    {"private claims as array", "kubernetes.io", "[{\"namespace\":\"ci\"}]",
     PODLOGIN_TOKEN_MALFORMED},
    {"empty private claims", "kubernetes.io", "{}", PODLOGIN_TOKEN_MALFORMED},
    {"private claims null", "kubernetes.io", "null", PODLOGIN_TOKEN_MALFORMED},
    {"no namespace", K8S "namespace", NULL, PODLOGIN_TOKEN_MALFORMED},
    {"an empty namespace", K8S "namespace", "\"\"", PODLOGIN_TOKEN_MALFORMED},
    {"another namespace", K8S "namespace", "\"prod\"", PODLOGIN_TOKEN_MALFORMED},
    {"a number as namespace", K8S "namespace", "1", PODLOGIN_TOKEN_MALFORMED},
    {"a tab in the namespace", K8S "namespace", "\"c\\ti\"", PODLOGIN_TOKEN_MALFORMED},
    {"no account", K8S "serviceaccount", NULL, PODLOGIN_TOKEN_MALFORMED},
    {"the account as text", K8S "serviceaccount", "\"pulumi-runner\"", PODLOGIN_TOKEN_MALFORMED},
    {"no name", K8S "serviceaccount/name", NULL, PODLOGIN_TOKEN_MALFORMED},
    {"another name", K8S "serviceaccount/name", "\"admin\"", PODLOGIN_TOKEN_MALFORMED},
    {"no uid", K8S "serviceaccount/uid", NULL, PODLOGIN_TOKEN_MALFORMED},
    {"an empty uid", K8S "serviceaccount/uid", "\"\"", PODLOGIN_TOKEN_MALFORMED},
    {"a number as uid", K8S "serviceaccount/uid", "1", PODLOGIN_TOKEN_MALFORMED},
    {"a newline in the uid", K8S "serviceaccount/uid", "\"a\\nb\"", PODLOGIN_TOKEN_MALFORMED},
    {"pod null", K8S "pod", "null", PODLOGIN_TOKEN_MALFORMED},
    {"the pod as text", K8S "pod", "\"job-abc\"", PODLOGIN_TOKEN_MALFORMED},
    {"an empty pod", K8S "pod", "{}", PODLOGIN_TOKEN_MALFORMED},
    {"a pod without a name", K8S "pod/name", NULL, PODLOGIN_TOKEN_MALFORMED},
    {"a pod without a uid", K8S "pod/uid", NULL, PODLOGIN_TOKEN_MALFORMED},
    {"a pod with an empty uid", K8S "pod/uid", "\"\"", PODLOGIN_TOKEN_MALFORMED},
    {"a secret without a uid", K8S "secret", "{\"name\":\"s\"}", PODLOGIN_TOKEN_MALFORMED},
    {"the secret as text", K8S "secret", "\"s\"", PODLOGIN_TOKEN_MALFORMED},
};

static enum podlogin_status status_of(const json_t *payload)
{
    CLEANUP(freep)
    char *text = json_dumps(payload, 0);
    CLEANUP(freep)
    struct json_value *value = json_value_read(text, strlen(text));
    struct claims claims;
    struct refusal refusal;

    return claims_read(value, &claims, &refusal);
}

/* @path is split at '/', because names of claims contain dots. */
static struct json_value *payload_changed(const char *path, const char *value)
{
    CLEANUP(json_decrefp)
    json_t *payload = json_read_object(good, strlen(good));
    json_t *at = payload;
    CLEANUP(freep)
    char *text = NULL;
    CLEANUP(freep)
    char *copy = strdup(path);
    char *name = copy, *slash;

    assert_non_null(payload);
    for (; (slash = strchr(name, '/')); name = slash + 1) {
        *slash = '\0';
        at = json_object_get(at, name);
        assert_non_null(at);
    }
    if (value)
        assert_int_equal(json_object_set_new(at, name, json_loads(value, JSON_DECODE_ANY, NULL)),
                         0);
    else
        json_object_del(at, name);
    text = json_dumps(payload, 0);
    return json_value_read(text, strlen(text));
}

static void each_changed_claim_gets_its_status(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        CLEANUP(freep)
        struct json_value *payload = payload_changed(changes[i].path, changes[i].value);
        struct claims claims;
        struct refusal refusal = {0};

        if (claims_read(payload, &claims, &refusal) != changes[i].expected)
            fail_msg("%s: not %d", changes[i].why, changes[i].expected);
        if (changes[i].expected != PODLOGIN_OK)
            assert_true(refusal.detail[0]);
    }
}

/* Audiences appear in answers, logs and keys; each member of an array is checked, too. */
static void a_control_character_in_an_array_of_audiences_is_refused(void **state)
{
    CLEANUP(freep)
    struct json_value *payload = payload_changed("aud", "[\"a\\nb\"]");
    struct claims claims;
    struct refusal refusal;

    (void)state;
    assert_int_equal(claims_read(payload, &claims, &refusal), PODLOGIN_TOKEN_MALFORMED);
}

static void the_longest_names_match_their_subject(void **state)
{
    CLEANUP(json_decrefp)
    json_t *payload = json_read_object(good, strlen(good));
    json_t *kubernetes = json_object_get(payload, "kubernetes.io");
    char name[PODLOGIN_NAME_MAX + 1], subject[2 * PODLOGIN_NAME_MAX + 64];

    (void)state;
    memset(name, 'n', 240);
    name[240] = '\0';
    snprintf(subject, sizeof(subject), "system:serviceaccount:%s:%s", name, name);
    json_object_set_new(payload, "sub", json_string(subject));
    json_object_set_new(kubernetes, "namespace", json_string(name));
    json_object_set_new(json_object_get(kubernetes, "serviceaccount"), "name", json_string(name));
    assert_int_equal(status_of(payload), PODLOGIN_OK);
    memset(name, 'n', PODLOGIN_NAME_MAX); /* these do not fit a subject of 512 bytes */
    name[PODLOGIN_NAME_MAX] = '\0';
    json_object_set_new(kubernetes, "namespace", json_string(name));
    json_object_set_new(json_object_get(kubernetes, "serviceaccount"), "name", json_string(name));
    assert_int_equal(status_of(payload), PODLOGIN_TOKEN_MALFORMED);
}

static void an_audience_matches_one_of_them_exactly(void **state)
{
    static const char *const others[] = {"", "a", "ab", "abcd", "ABC", "abc ", "*", "de", "a.c"};
    CLEANUP(freep)
    struct json_value *payload = payload_changed("aud", "[\"abc\",\"def\"]");
    struct claims claims;
    struct refusal refusal;

    (void)state;
    assert_int_equal(claims_read(payload, &claims, &refusal), PODLOGIN_OK);
    assert_true(claims_have_audience(&claims, "abc"));
    assert_true(claims_have_audience(&claims, "def"));
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        assert_false(claims_have_audience(&claims, others[i]));
}

#define NOW 1782046400
#define DAY 86400

static void only_iat_and_nbf_have_leeway(void **state)
{
    static const struct {
        const char *why;
        int64_t expires, issued, not_before, now;
        enum podlogin_status expected;
    } cases[] = {
        {"an hour ahead", NOW + 3600, NOW, NOW, NOW, PODLOGIN_OK},
        {"no nbf", NOW + 3600, NOW, 0, NOW, PODLOGIN_OK},
        {"in its last second", NOW + 1, NOW - 3600, 0, NOW, PODLOGIN_OK},
        {"exp is now", NOW, NOW - 3600, 0, NOW, PODLOGIN_TOKEN_EXPIRED},
        {"exp was a second ago", NOW - 1, NOW - 3600, 0, NOW, PODLOGIN_TOKEN_EXPIRED},
        {"exp was long ago", 1, 1, 0, NOW, PODLOGIN_TOKEN_EXPIRED},
        {"iat 30 s ahead", NOW + 3600, NOW + 30, 0, NOW, PODLOGIN_OK},
        {"iat 31 s ahead", NOW + 3600, NOW + 31, 0, NOW, PODLOGIN_TOKEN_NOT_YET_VALID},
        {"nbf 30 s ahead", NOW + 3600, NOW, NOW + 30, NOW, PODLOGIN_OK},
        {"nbf 31 s ahead", NOW + 3600, NOW, NOW + 31, NOW, PODLOGIN_TOKEN_NOT_YET_VALID},
        {"nbf after exp", NOW + 20, NOW, NOW + 3600, NOW, PODLOGIN_TOKEN_NOT_YET_VALID},
        {"iat after exp", NOW + 20, NOW + 3600, 0, NOW, PODLOGIN_TOKEN_NOT_YET_VALID},
        {"expired and not yet valid", NOW, NOW + 3600, NOW + 3600, NOW, PODLOGIN_TOKEN_EXPIRED},
        {"a day", NOW + DAY, NOW, 0, NOW, PODLOGIN_OK},
        {"a day and a minute", NOW + DAY + 60, NOW, 0, NOW, PODLOGIN_OK},
        {"a day and 61 s", NOW + DAY + 61, NOW, 0, NOW, PODLOGIN_TOKEN_MALFORMED},
        {"a year, as tokens with warnafter have", NOW + 365 * DAY, NOW, 0, NOW,
         PODLOGIN_TOKEN_MALFORMED},
        {"a year, in its last seconds", NOW + 10, NOW - 365 * DAY, 0, NOW,
         PODLOGIN_TOKEN_MALFORMED},
        {"the longest lifetime", INT64_MAX / 2 - 1, 1, 0, NOW, PODLOGIN_TOKEN_MALFORMED},
        {"the latest nbf", NOW + 3600, NOW, INT64_MAX / 2 - 1, NOW, PODLOGIN_TOKEN_NOT_YET_VALID},
        {"after 2038", 4294967296 + 3600, 4294967296, 0, 4294967296, PODLOGIN_OK},
        {"after 2106, expired for a day", 4294967296, 4294967296 - 60, 0, 4294967296 + DAY,
         PODLOGIN_TOKEN_EXPIRED},
        {"a clock at 0", NOW + 3600, NOW, 0, 0, PODLOGIN_TOKEN_NOT_YET_VALID},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct claims claims = {.expires_at_s = cases[i].expires,
                                      .issued_at_s = cases[i].issued,
                                      .not_before_s = cases[i].not_before};

        struct refusal refusal;

        if (claims_judge_time(&claims, cases[i].now, cases[i].now, &refusal) != cases[i].expected)
            fail_msg("%s: %d", cases[i].why,
                     claims_judge_time(&claims, cases[i].now, cases[i].now, &refusal));
    }
}

/*
 * The wall clock was set back by an hour. New tokens seem to be issued an hour ahead, but the clock
 * is known to have shown that time.
 */
static void a_backward_step_does_not_make_a_token_not_yet_valid(void **state)
{
    const struct claims claims = {.expires_at_s = NOW + 7200, .issued_at_s = NOW + 3600};
    struct refusal refusal;

    (void)state;
    assert_int_equal(claims_judge_time(&claims, NOW, NOW, &refusal), PODLOGIN_TOKEN_NOT_YET_VALID);
    assert_int_equal(claims_judge_time(&claims, NOW, NOW + 3600, &refusal), PODLOGIN_OK);
    assert_int_equal(claims_judge_time(&claims, NOW + 7200, NOW + 7200, &refusal),
                     PODLOGIN_TOKEN_EXPIRED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_claims_of_kubernetes_are_read),
        cmocka_unit_test(each_changed_claim_gets_its_status),
        cmocka_unit_test(a_backward_step_does_not_make_a_token_not_yet_valid),
        cmocka_unit_test(a_control_character_in_an_array_of_audiences_is_refused),
        cmocka_unit_test(the_longest_names_match_their_subject),
        cmocka_unit_test(an_audience_matches_one_of_them_exactly),
        cmocka_unit_test(only_iat_and_nbf_have_leeway),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
