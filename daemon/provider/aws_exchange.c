/*
 * The exchange of AWS STS: AssumeRoleWithWebIdentity (API version 2011-06-15). The request is not
 * signed, and the answer is XML.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/rfc3339.h"
#include "base/setting.h"
#include "protocol/messages.h"
#include "provider/aws.h"
#include "provider/exchange.h"
#include "provider/form.h"
#include "provider/xml.h"

#define SESSION_NAME_MAX 64
#define FIELDS_MAX       (7 + AWS_POLICY_ARNS_MAX)
#define DURATION_MAX_S   43200
#define DURATION_S       3600 /* what STS grants if the request does not say */

struct fields {
    struct form_field field[FIELDS_MAX];
    size_t n;
};

static void add(struct fields *fields, const char *name, const char *value, size_t len)
{
    fields->field[fields->n++] = (struct form_field){name, value, len};
}

/*
 * Names of Kubernetes are valid in a session's name, but may be longer; and a name has 2 characters
 * at least.
 */
static void add_session_name(struct fields *fields, const char *name)
{
    size_t len = name ? strlen(name) : 0;

    if (len < 2) {
        name = "podlogin";
        len = strlen(name);
    }
    add(fields, "RoleSessionName", name, len < SESSION_NAME_MAX ? len : SESSION_NAME_MAX);
}

static void add_policy_arns(struct fields *fields, const char *arns)
{
    static const char *const names[AWS_POLICY_ARNS_MAX] = {
        "PolicyArns.member.1.arn",  "PolicyArns.member.2.arn", "PolicyArns.member.3.arn",
        "PolicyArns.member.4.arn",  "PolicyArns.member.5.arn", "PolicyArns.member.6.arn",
        "PolicyArns.member.7.arn",  "PolicyArns.member.8.arn", "PolicyArns.member.9.arn",
        "PolicyArns.member.10.arn",
    };
    size_t n = 0, len;

    for (; arns && *arns && n < AWS_POLICY_ARNS_MAX; arns += len) {
        arns += strspn(arns, " \t");
        len = strcspn(arns, " \t");
        if (len)
            add(fields, names[n++], arns, len);
    }
}

static int read_duration(const struct provider_values *values, uint64_t *ret_seconds)
{
    const char *duration = values->value[AWS_DURATION];

    *ret_seconds = DURATION_S;
    return duration ? setting_seconds(duration, 1, DURATION_MAX_S, ret_seconds) : 0;
}

static int aws_request(const struct provider_values *values, const struct secret *jwt,
                       struct provider_request *ret_request)
{
    const char *role = values->value[AWS_ROLE_ARN];
    const char *policy = values->value[AWS_POLICY];
    struct fields fields = {0};
    char seconds_text[24];
    uint64_t seconds;

    if (!role || !values->value[AWS_REGION] || read_duration(values, &seconds) < 0)
        return -EINVAL;
    add(&fields, "Action", "AssumeRoleWithWebIdentity", strlen("AssumeRoleWithWebIdentity"));
    add(&fields, "Version", "2011-06-15", strlen("2011-06-15"));
    add(&fields, "RoleArn", role, strlen(role));
    add_session_name(&fields, values->value[AWS_SESSION_NAME]);
    add(&fields, "WebIdentityToken", (const char *)jwt->bytes, jwt->len);
    if (values->value[AWS_DURATION]) {
        snprintf(seconds_text, sizeof(seconds_text), "%llu", (unsigned long long)seconds);
        add(&fields, "DurationSeconds", seconds_text, strlen(seconds_text));
    }
    if (policy)
        add(&fields, "Policy", policy, strlen(policy));
    add_policy_arns(&fields, values->value[AWS_POLICY_ARNS]);

    ret_request->method = "POST";
    ret_request->accept = "text/xml";
    ret_request->content_type = "application/x-www-form-urlencoded";
    ret_request->url = aws_endpoint(values);
    ret_request->body = form_encode(fields.field, fields.n);
    return ret_request->url && ret_request->body ? 0 : -ENOMEM;
}

/* What the outcome of an error depends on: its code alone, or its text as well. */
struct error {
    const char *code;
    const char *text; /* that the message contains; NULL: any */
    enum outcome outcome;
};

/* The first that matches decides; all others are judged by their HTTP status. */
static const struct error errors[] = {
    {"InvalidIdentityToken", "verification key", OUTCOME_UNAVAILABLE},
    {"InvalidIdentityToken", "No OpenIDConnect provider", OUTCOME_MISCONFIGURED},
    {"InvalidIdentityToken", NULL, OUTCOME_REFUSED},
    {"ExpiredTokenException", NULL, OUTCOME_REFUSED},
    {"ExpiredToken", NULL, OUTCOME_REFUSED},
    {"IDPRejectedClaim", NULL, OUTCOME_REFUSED},
    {"AccessDenied", NULL, OUTCOME_REFUSED},
    {"AccessDeniedException", NULL, OUTCOME_REFUSED},
    {"IDPCommunicationError", NULL, OUTCOME_UNAVAILABLE},
    {"RequestTimeout", NULL, OUTCOME_UNAVAILABLE},
    {"RequestTimeoutException", NULL, OUTCOME_UNAVAILABLE},
    {"PriorRequestNotComplete", NULL, OUTCOME_UNAVAILABLE},
    {"InternalFailure", NULL, OUTCOME_UNAVAILABLE},
    {"InternalError", NULL, OUTCOME_UNAVAILABLE},
    {"ServiceUnavailable", NULL, OUTCOME_UNAVAILABLE},
    {"RegionDisabledException", NULL, OUTCOME_MISCONFIGURED}, /* a 403 */
    {"Throttling", NULL, OUTCOME_THROTTLED},
    {"ThrottlingException", NULL, OUTCOME_THROTTLED},
    {"ThrottledException", NULL, OUTCOME_THROTTLED},
    {"RequestThrottled", NULL, OUTCOME_THROTTLED},
    {"RequestThrottledException", NULL, OUTCOME_THROTTLED},
    {"RequestLimitExceeded", NULL, OUTCOME_THROTTLED},
    {"TooManyRequestsException", NULL, OUTCOME_THROTTLED},
    {"LimitExceededException", NULL, OUTCOME_THROTTLED},
    {"BandwidthLimitExceeded", NULL, OUTCOME_THROTTLED},
    {"SlowDown", NULL, OUTCOME_THROTTLED},
};

static const struct error *find_error(const char *code, const char *message)
{
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
        if (strcmp(errors[i].code, code) == 0 &&
            (!errors[i].text || (message && strstr(message, errors[i].text))))
            return &errors[i];
    return NULL;
}

/* The status decides about what every server says by it, and about codes that are not in the table.
 */
static enum outcome outcome_of_code(long http_status, const char *code, const char *message)
{
    const struct error *error = find_error(code, message);

    if (error && error->outcome == OUTCOME_THROTTLED)
        return OUTCOME_THROTTLED;
    if (error && http_status < 500 && http_status != 429)
        return error->outcome;
    return http_status == 200 ? OUTCOME_MISCONFIGURED : outcome_of_http_status(http_status);
}

#define ERROR       "ErrorResponse/Error/"
#define CREDENTIALS "AssumeRoleWithWebIdentityResponse/AssumeRoleWithWebIdentityResult/Credentials/"

enum {
    ACCESS_KEY_ID,
    SECRET_ACCESS_KEY,
    SESSION_TOKEN,
    EXPIRATION,
    CODE,
    MESSAGE
};

static void explain_error(long http_status, bool is_xml, const struct xml_value *found,
                          struct provider_answer *answer)
{
    const char *code = found[CODE].text, *message = found[MESSAGE].text;

    answer_set_failure(answer, http_status,
                       code ? outcome_of_code(http_status, code, message)
                            : outcome_of_http_status(http_status));
    answer_explain(answer, code);
    answer_explain(answer, message);
    if (!is_xml)
        detail_add(answer->detail, ", and the body is not an answer of STS");
}

/* Adds all of the credentials, or none. */
static int add_credentials(const struct provider_values *values, const struct xml_value *found,
                           struct provider_answer *answer)
{
    const char *region = values->value[AWS_REGION];
    const struct {
        const char *variable, *value;
    } all[] = {
        {"AWS_SESSION_TOKEN", found[SESSION_TOKEN].text},
        {"AWS_ACCESS_KEY_ID", found[ACCESS_KEY_ID].text},
        {"AWS_SECRET_ACCESS_KEY", found[SECRET_ACCESS_KEY].text},
        {"AWS_REGION", region},
        {"AWS_DEFAULT_REGION", region},
    };
    int r = 0;

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]) && r == 0; i++)
        r = answer_add_variable(answer, all[i].variable, all[i].value, strlen(all[i].value));
    return r;
}

/*
 * The expiry is an absolute time. So that a clock that is slow does not prolong it, the lifetime
 * that was requested counts as well.
 */
static int read_credentials(const struct provider_values *values, const struct xml_value *found,
                            struct provider_answer *answer)
{
    uint64_t seconds = DURATION_S;

    if (!answer_is_visible(found[SESSION_TOKEN].text, PODLOGIN_TOKEN_MAX))
        return answer_set_malformed(answer, "SessionToken");
    if (!answer_is_visible(found[ACCESS_KEY_ID].text, 128))
        return answer_set_malformed(answer, "AccessKeyId");
    if (!answer_is_visible(found[SECRET_ACCESS_KEY].text, 128))
        return answer_set_malformed(answer, "SecretAccessKey");
    if (!found[EXPIRATION].text || rfc3339_read(found[EXPIRATION].text, &answer->expires_at_s) < 0)
        return answer_set_malformed(answer, "Expiration");
    (void)read_duration(values, &seconds);
    answer_set_lifetime(answer, (int64_t)seconds);
    strcpy(answer->token_type, "AWS4-HMAC-SHA256");
    answer->outcome = OUTCOME_OK;
    return add_credentials(values, found, answer);
}

static int aws_answer(const struct provider_values *values, long http_status, const void *body,
                      size_t body_len, struct provider_answer *answer)
{
    struct xml_value found[] = {
        [ACCESS_KEY_ID] = {CREDENTIALS "AccessKeyId"},
        [SECRET_ACCESS_KEY] = {CREDENTIALS "SecretAccessKey"},
        [SESSION_TOKEN] = {CREDENTIALS "SessionToken"},
        [EXPIRATION] = {CREDENTIALS "Expiration"},
        [CODE] = {ERROR "Code"},
        [MESSAGE] = {ERROR "Message"},
    };
    const size_t n = sizeof(found) / sizeof(found[0]);
    int r = xml_read(body, body_len, found, n);

    if (r == -ENOMEM)
        return r;
    if (http_status == 200 && r == 0 && !found[CODE].text)
        r = read_credentials(values, found, answer);
    else
        explain_error(http_status, r == 0, found, answer);
    xml_values_done(found, n);
    return r == -EBADMSG ? 0 : r;
}

const struct provider_exchange provider_aws_exchange = {
    .provider = &provider_aws,
    .request = aws_request,
    .answer = aws_answer,
};
