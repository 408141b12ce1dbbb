/* AWS STS: settings, the exact bytes of a request, and answers in XML. */
#include "support/provider.h"

#include <stdlib.h>

#include "provider/specifiers.h"

#define ROLE   "RoleARN=arn:aws:iam::123456789012:role/ci"
#define REGION "Region=eu-central-1"

static const char *const good_lines[] = {ROLE, REGION, NULL};

static void settings_are_checked(void **state)
{
    static const char *const good[][LINES_MAX] = {
        {ROLE, REGION},
        {"RoleARN=arn:aws-us-gov:iam::123456789012:role/a/b+c=d,e.f@g-h", "Region=us-gov-west-1"},
        {ROLE, REGION, "SessionName=%n.%s"},
        {ROLE, REGION, "SessionName=ci_+=,.@-%p"},
        {ROLE, REGION, "Duration=15min"},
        {ROLE, REGION, "Duration=43200"},
        {ROLE, REGION, "Endpoint=https://vpce-1.sts.eu-central-1.vpce.amazonaws.com"},
        {ROLE, REGION, "Policy={\"Version\":\"2012-10-17\",\"Statement\":[]}"},
        {ROLE, REGION,
         "PolicyARNs=arn:aws:iam::aws:policy/ReadOnlyAccess  arn:aws:iam::123456789012:policy/x"},
    };
    static const struct {
        const char *lines[LINES_MAX];
        const char *reason;
    } bad[] = {
        {{REGION}, "RoleARN= is missing"},
        {{ROLE}, "Region= is missing"},
        {{"RoleARN=ci", REGION}, "RoleARN= takes the ARN of a role"},
        {{"RoleARN=arn:aws:iam::123456789012:role/a b", REGION},
         "RoleARN= takes the ARN of a role"},
        {{"RoleARN=arn:aws:iam::123456789012:user/ci", REGION}, "RoleARN= takes the ARN of a role"},
        {{ROLE, "Region=evil.com/"}, "Region= takes a region"},
        {{ROLE, "Region=eu_1"}, "Region= takes a region"},
        {{ROLE, "Region=-x"}, "Region= takes a region"},
        {{ROLE, REGION, "SessionName=a b"}, "SessionName= takes a name"},
        {{ROLE, REGION, "SessionName=%x"}, "SessionName= takes a name"},
        {{ROLE, REGION, "SessionName=50%"}, "SessionName= takes a name"},
        {{ROLE, REGION, "SessionName=a%%b"}, "SessionName= takes a name"},
        {{ROLE, REGION, "Duration=10min"}, "Duration= takes a time span"},
        {{ROLE, REGION, "Duration=13h"}, "Duration= takes a time span"},
        {{ROLE, REGION, "Duration=soon"}, "Duration= takes a time span"},
        {{ROLE, REGION, "Endpoint=http://sts"}, "Endpoint= takes an https:// URL"},
        {{ROLE, REGION, "Policy=AdministratorAccess"}, "Policy= takes a policy"},
        {{ROLE, REGION, "Policy=[]"}, "Policy= takes a policy"},
        {{ROLE, REGION, "PolicyARNs=ReadOnlyAccess"}, "PolicyARNs= takes at most 10 ARNs"},
        {{ROLE, REGION, "PolicyARNs=arn:aws:iam::aws:policy/Read,arn:aws:iam::aws:policy/\x01"},
         "PolicyARNs= takes at most 10 ARNs"},
    };

    (void)state;
    assert_ptr_equal(provider_find("aws-sts"), &provider_aws);
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_settings_valid(&provider_aws, good[i]);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_settings_refused(&provider_aws, bad[i].lines, bad[i].reason);
}

static void each_region_has_its_endpoint(void **state)
{
    static const struct {
        const char *lines[4];
        const char *url;
    } cases[] = {
        {{ROLE, REGION}, "https://sts.eu-central-1.amazonaws.com"},
        {{ROLE, "Region=us-gov-east-1"}, "https://sts.us-gov-east-1.amazonaws.com"},
        {{ROLE, "Region=cn-north-1"}, "https://sts.cn-north-1.amazonaws.com.cn"},
        {{ROLE, REGION, "Endpoint=https://sts.internal:8443/"}, "https://sts.internal:8443"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct provider_values values = provider_values_of(&provider_aws, cases[i].lines);
        CLEANUP(freep)
        char *url = provider_aws.endpoint(&values);

        assert_string_equal(url, cases[i].url);
    }
}

#define BODY(session, rest)                                                                        \
    "Action=AssumeRoleWithWebIdentity&Version=2011-06-15"                                          \
    "&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fci&RoleSessionName=" session              \
    "&WebIdentityToken=a.b-_.c" rest
#define URL       "https://sts.eu-central-1.amazonaws.com"
#define SIXTEEN   "0123456789abcdef"
#define SIXTYFOUR SIXTEEN SIXTEEN SIXTEEN SIXTEEN

static void requests_are_those_of_the_query_interface(void **state)
{
    static const struct request_case cases[] = {
        {{ROLE, REGION, "SessionName=ci.runner"}, "a.b-_.c", URL, BODY("ci.runner", ""), {NULL}},
        {{ROLE, REGION, "SessionName=ci.runner", "Duration=1h"},
         "a.b-_.c",
         URL,
         BODY("ci.runner", "&DurationSeconds=3600"),
         {NULL}},
        /* names of Kubernetes may be too long, or too short */
        {{ROLE, REGION, "SessionName=" SIXTYFOUR "XY"},
         "a.b-_.c",
         URL,
         BODY(SIXTYFOUR, ""),
         {NULL}},
        {{ROLE, REGION, "SessionName=a"}, "a.b-_.c", URL, BODY("podlogin", ""), {NULL}},
        {{ROLE, REGION, "SessionName=x.y", "Policy={\"Statement\":\"a&b\"}"},
         "a.b-_.c",
         URL,
         BODY("x.y", "&Policy=%7B%22Statement%22%3A%22a%26b%22%7D"),
         {NULL}},
        {{ROLE, REGION, "SessionName=x.y",
          "PolicyARNs=arn:aws:iam::aws:policy/a arn:aws:iam::aws:policy/b"},
         "a.b-_.c",
         URL,
         BODY("x.y", "&PolicyArns.member.1.arn=arn%3Aaws%3Aiam%3A%3Aaws%3Apolicy%2Fa"
                     "&PolicyArns.member.2.arn=arn%3Aaws%3Aiam%3A%3Aaws%3Apolicy%2Fb"),
         {NULL}},
    };
    static const char *const invalid[][3] = {{ROLE}, {REGION}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_request(&provider_aws_exchange, &cases[i], NULL, "text/xml",
                       "application/x-www-form-urlencoded");
    for (size_t i = 0; i < ARRAY_SIZE(invalid); i++)
        assert_request_invalid(&provider_aws_exchange, invalid[i]);
}

/* Values are made for each pod by the broker. */
static void the_session_is_named_after_the_pod(void **state)
{
    static const struct {
        const char *value, *pod, *expected;
    } cases[] = {
        {NULL, "job-1", "ci.runner"},
        {"%p", "job-1", "job-1"},
        {"%n-%s-%p", "job-1", "ci-runner-job-1"},
        {"%p", NULL, ""},
        {"fixed", "job-1", "fixed"},
        {"100%%", NULL, "100%"},
    };
    const struct provider_setting *setting =
        &provider_aws.settings[setting_index(&provider_aws, "SessionName=")];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct pod_names names = {"ci", "runner", cases[i].pod};
        CLEANUP(freep)
        char *value = NULL;

        assert_int_equal(specifiers_expand(setting, cases[i].value, &names, &value), 0);
        assert_string_equal(value, cases[i].expected);
    }
}

static void a_name_of_the_pod_is_noticed(void **state)
{
    static const struct {
        const char *lines[4];
        bool expected;
    } cases[] = {
        {{ROLE, REGION}, false},
        {{ROLE, REGION, "SessionName=%n.%s"}, false},
        {{ROLE, REGION, "SessionName=%p"}, true},
        {{ROLE, REGION, "SessionName=a.%s.%p"}, true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct provider_values values = provider_values_of(&provider_aws, cases[i].lines);

        assert_int_equal(specifiers_name_pod(&provider_aws, &values), cases[i].expected);
    }
}

#define RESPONSE(credentials)                                                                      \
    "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n"    \
    "  <AssumeRoleWithWebIdentityResult>\n"                                                        \
    "    <SubjectFromWebIdentityToken>system:serviceaccount:ci:runner"                             \
    "</SubjectFromWebIdentityToken>\n"                                                             \
    "    <Audience>sts.amazonaws.com</Audience>\n"                                                 \
    "    <AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/ci/x</Arn>"                  \
    "<AssumedRoleId>AROASECRET:x</AssumedRoleId></AssumedRoleUser>\n" credentials                  \
    "    <PackedPolicySize>6</PackedPolicySize>\n"                                                 \
    "  </AssumeRoleWithWebIdentityResult>\n"                                                       \
    "  <ResponseMetadata><RequestId>c6104cbe</RequestId></ResponseMetadata>\n"                     \
    "</AssumeRoleWithWebIdentityResponse>"
#define CREDENTIALS(id, key, token, end) "<Credentials>" id key token end "</Credentials>"
#define ID                               "<AccessKeyId>ASIAEXAMPLE</AccessKeyId>"
#define KEY                              "<SecretAccessKey>wJalr/SECRET+K7&amp;&lt;</SecretAccessKey>"
#define TOKEN                            "<SessionToken>FwoGZX/SECRET==</SessionToken>"
#define END                              "<Expiration>2026-08-21T11:00:00Z</Expiration>"
#define END_S                            1787310000
#define GOOD                             RESPONSE(CREDENTIALS(ID, KEY, TOKEN, END))

static void credentials_come_whole(void **state)
{
    static const char *const good[] = {
        GOOD,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" GOOD "\n",
        RESPONSE(CREDENTIALS("\n" END "\n", "<!-- x -->" TOKEN, KEY, ID)),
        RESPONSE(CREDENTIALS(ID, KEY, TOKEN, "<Expiration>2026-08-21T11:00:00.987Z</Expiration>")),
        RESPONSE(
            CREDENTIALS("<AccessKeyId><![CDATA[ASIAEXAMPLE]]></AccessKeyId>", KEY, TOKEN, END)),
    };
    struct provider_values values = provider_values_of(&provider_aws, good_lines);

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        struct provider_answer answer = {0};

        provider_read(&provider_aws_exchange, &values, 200, good[i], strlen(good[i]), &answer);
        assert_int_equal(answer.outcome, OUTCOME_OK);
        assert_int_equal(answer.n_variables, 5);
        assert_string_equal(answer.variables[0].name, "AWS_SESSION_TOKEN");
        assert_string_equal(answer_variable(&answer, "AWS_SESSION_TOKEN"), "FwoGZX/SECRET==");
        assert_string_equal(answer_variable(&answer, "AWS_ACCESS_KEY_ID"), "ASIAEXAMPLE");
        assert_string_equal(answer_variable(&answer, "AWS_SECRET_ACCESS_KEY"), "wJalr/SECRET+K7&<");
        assert_string_equal(answer_variable(&answer, "AWS_REGION"), "eu-central-1");
        assert_string_equal(answer_variable(&answer, "AWS_DEFAULT_REGION"), "eu-central-1");
        assert_int_equal(answer.expires_at_s, END_S);
        assert_int_equal(answer.expires_in_s, 3600);
        provider_answer_done(&answer);
    }
}

/* A clock that is slow must not prolong credentials. */
static void the_lifetime_that_was_requested_counts_as_well(void **state)
{
    static const char *const lines[] = {ROLE, REGION, "Duration=30min", NULL};
    struct provider_values values = provider_values_of(&provider_aws, lines);
    struct provider_answer answer = {0};

    (void)state;
    provider_read(&provider_aws_exchange, &values, 200, GOOD, strlen(GOOD), &answer);
    assert_int_equal(answer.expires_at_s, END_S);
    assert_int_equal(answer.expires_in_s, 1800);
    provider_answer_done(&answer);
}

#define ERROR(code, message)                                                                       \
    "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  <Error>\n"             \
    "    <Type>Sender</Type>\n    <Code>" code "</Code>\n    <Message>" message "</Message>\n"     \
    "  </Error>\n  <RequestId>4f4b1e0d</RequestId>\n</ErrorResponse>\n"

static void each_answer_has_one_outcome(void **state)
{
    static const struct answer_case cases[] = {
        {"credentials", 200, GOOD, OUTCOME_OK, NULL, 0},

        {"no key id", 200, RESPONSE(CREDENTIALS("", KEY, TOKEN, END)), OUTCOME_MALFORMED,
         "AccessKeyId", 0},
        {"no secret key", 200, RESPONSE(CREDENTIALS(ID, "", TOKEN, END)), OUTCOME_MALFORMED,
         "SecretAccessKey", 0},
        {"no session token", 200, RESPONSE(CREDENTIALS(ID, KEY, "", END)), OUTCOME_MALFORMED,
         "SessionToken", 0},
        {"no end", 200, RESPONSE(CREDENTIALS(ID, KEY, TOKEN, "")), OUTCOME_MALFORMED, "Expiration",
         0},
        {"an empty part", 200, RESPONSE(CREDENTIALS(ID, "<SecretAccessKey/>", TOKEN, END)),
         OUTCOME_MALFORMED, "SecretAccessKey", 0},
        {"a blank in a part", 200,
         RESPONSE(CREDENTIALS(ID, KEY, "<SessionToken>SECRET x</SessionToken>", END)),
         OUTCOME_MALFORMED, "SessionToken", 0},
        {"a line in a part", 200,
         RESPONSE(CREDENTIALS(ID, "<SecretAccessKey>SECRET&#10;LD_PRELOAD</SecretAccessKey>", TOKEN,
                              END)),
         OUTCOME_MALFORMED, "SecretAccessKey", 0},
        {"a part twice", 200, RESPONSE(CREDENTIALS(ID ID, KEY, TOKEN, END)), OUTCOME_MALFORMED,
         "not an answer of STS", 0},
        {"credentials twice", 200,
         RESPONSE(CREDENTIALS(ID, KEY, TOKEN, END) CREDENTIALS(ID, KEY, TOKEN, END)),
         OUTCOME_MALFORMED, "not an answer of STS", 0},
        {"an element in a part", 200,
         RESPONSE(CREDENTIALS(ID, "<SecretAccessKey>a<b/>c</SecretAccessKey>", TOKEN, END)),
         OUTCOME_MALFORMED, "not an answer of STS", 0},
        {"a time that is none", 200,
         RESPONSE(CREDENTIALS(ID, KEY, TOKEN, "<Expiration>1787310000</Expiration>")),
         OUTCOME_MALFORMED, "Expiration", 0},
        {"a day that is none", 200,
         RESPONSE(CREDENTIALS(ID, KEY, TOKEN, "<Expiration>2026-02-30T11:00:00Z</Expiration>")),
         OUTCOME_MALFORMED, "Expiration", 0},
        {"a time of elsewhere", 200,
         RESPONSE(
             CREDENTIALS(ID, KEY, TOKEN, "<Expiration>2026-08-21T11:00:00+02:00</Expiration>")),
         OUTCOME_MALFORMED, "Expiration", 0},
        {"parts of somewhere else", 200,
         "<AssumeRoleResponse><AssumeRoleResult>" CREDENTIALS(
             ID, KEY, TOKEN, END) "</AssumeRoleResult></AssumeRoleResponse>",
         OUTCOME_MALFORMED, "SessionToken", 0},
        {"entities", 200, "<!DOCTYPE a [<!ENTITY x \"SECRET\">]><a>&x;</a>", OUTCOME_MALFORMED,
         "not an answer of STS", 0},
        {"an entity from a file", 200, "<!DOCTYPE a SYSTEM \"file:///etc/passwd\">" GOOD,
         OUTCOME_MALFORMED, "not an answer of STS", 0},
        {"JSON", 200, "{\"Credentials\":{}}", OUTCOME_MALFORMED, "not an answer of STS", 0},
        {"nothing", 200, "", OUTCOME_MALFORMED, "not an answer of STS", 0},
        {"two documents", 200, GOOD GOOD, OUTCOME_MALFORMED, "not an answer of STS", 0},
        {"a redirect", 302, "", OUTCOME_MALFORMED, "HTTP 302", 0},
        {"201", 201, GOOD, OUTCOME_MALFORMED, "HTTP 201", 0},

        {"an expired token", 400, ERROR("ExpiredTokenException", "Token expired: current date"),
         OUTCOME_REFUSED, "HTTP 400: ExpiredTokenException: Token expired", 0},
        {"a bad token", 400, ERROR("InvalidIdentityToken", "Incorrect token audience"),
         OUTCOME_REFUSED, "Incorrect token audience", 0},
        {"a rejected claim", 403, ERROR("IDPRejectedClaim", "no"), OUTCOME_REFUSED, NULL, 0},
        {"the trust policy", 403,
         ERROR("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"),
         OUTCOME_REFUSED, "Not authorized to perform sts:AssumeRoleWithWebIdentity", 0},
        {"a token in a message", 400,
         ERROR("InvalidIdentityToken", "eyJhbGciOiJSUzI1NiIsSECRETSECRETSECRETSECRETSECRETSECRET"),
         OUTCOME_REFUSED, "[...]", 0},

        {"no provider", 400,
         ERROR("InvalidIdentityToken", "No OpenIDConnect provider found in your account for "
                                       "https://oidc.eks.eu-central-1.amazonaws.com/id/X"),
         OUTCOME_MISCONFIGURED, "No OpenIDConnect provider found", 0},
        {"a bad policy", 400, ERROR("MalformedPolicyDocument", "Syntax errors in policy."),
         OUTCOME_MISCONFIGURED, NULL, 0},
        {"a large policy", 400, ERROR("PackedPolicyTooLarge", "Packed size exceeds"),
         OUTCOME_MISCONFIGURED, NULL, 0},
        {"a region that is off", 403, ERROR("RegionDisabledException", "STS is not activated"),
         OUTCOME_MISCONFIGURED, NULL, 0},
        {"a long duration", 400,
         ERROR("ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration"),
         OUTCOME_MISCONFIGURED, "MaxSessionDuration", 0},
        {"an unknown error", 400, ERROR("Other", "x"), OUTCOME_MISCONFIGURED, "Other: x", 0},
        {"an error with HTTP 200", 200, ERROR("AccessDenied", "x"), OUTCOME_REFUSED, NULL, 0},
        {"an unknown one with HTTP 200", 200, ERROR("Other", "x"), OUTCOME_MISCONFIGURED, NULL, 0},

        {"Throttling", 400, ERROR("Throttling", "Rate exceeded"), OUTCOME_THROTTLED,
         "Rate exceeded", 0},
        {"ThrottlingException", 400, ERROR("ThrottlingException", "x"), OUTCOME_THROTTLED, NULL, 0},
        {"RequestLimitExceeded", 503, ERROR("RequestLimitExceeded", "x"), OUTCOME_THROTTLED, NULL,
         0},
        {"an expired token with 429", 429, ERROR("ExpiredTokenException", "x"), OUTCOME_THROTTLED,
         NULL, 0},
        {"503 with advice", 503, ERROR("ServiceUnavailable", "x"), OUTCOME_THROTTLED, NULL, 1000},
        {"429", 429, "", OUTCOME_THROTTLED, NULL, 0},

        {"the issuer is slow", 400, ERROR("IDPCommunicationError", "x"), OUTCOME_UNAVAILABLE, NULL,
         0},
        {"the issuer's keys", 400,
         ERROR("InvalidIdentityToken",
               "Couldn't retrieve verification key from your identity provider, please reference "
               "AssumeRoleWithWebIdentity documentation for requirements"),
         OUTCOME_UNAVAILABLE, "retrieve verification key", 0},
        {"500", 500, ERROR("InternalFailure", "x"), OUTCOME_UNAVAILABLE, NULL, 0},
        {"503", 503, "", OUTCOME_UNAVAILABLE, "not an answer of STS", 0},
        {"403 of a firewall", 403, "<html>no</html>", OUTCOME_REFUSED, "HTTP 403", 0},
        {"a network's sign-in page", 200, "<html><body>Sign in</body></html>", OUTCOME_MALFORMED,
         NULL, 0},
    };

    (void)state;
    assert_answers(&provider_aws_exchange, good_lines, cases, ARRAY_SIZE(cases));
    assert_truncations_malformed(&provider_aws_exchange, good_lines, GOOD);
}

static void a_deep_or_long_document_is_malformed(void **state)
{
    struct provider_values values = provider_values_of(&provider_aws, good_lines);
    static char document[60000];
    struct provider_answer answer = {0};

    (void)state;
    for (size_t i = 0; i + 3 < sizeof(document); i += 3)
        memcpy(document + i, "<a>", 3);
    provider_read(&provider_aws_exchange, &values, 200, document, strlen(document), &answer);
    assert_int_equal(answer.outcome, OUTCOME_MALFORMED);
    provider_answer_done(&answer);
    memset(document, 'a', sizeof(document) - 1);
    document[0] = '<';
    memcpy(document + sizeof(document) - 3, "/>", 2);
    provider_read(&provider_aws_exchange, &values, 200, document, strlen(document), &answer);
    assert_int_equal(answer.outcome, OUTCOME_MALFORMED);
    provider_answer_done(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_are_checked),
        cmocka_unit_test(each_region_has_its_endpoint),
        cmocka_unit_test(requests_are_those_of_the_query_interface),
        cmocka_unit_test(the_session_is_named_after_the_pod),
        cmocka_unit_test(a_name_of_the_pod_is_noticed),
        cmocka_unit_test(credentials_come_whole),
        cmocka_unit_test(the_lifetime_that_was_requested_counts_as_well),
        cmocka_unit_test(each_answer_has_one_outcome),
        cmocka_unit_test(a_deep_or_long_document_is_malformed),
    };

    log_init("test", LOG_ERR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
