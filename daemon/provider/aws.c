/* The settings of AWS STS. podlogind.conf(5) describes them. */
#include "provider/aws.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/setting.h"
#include "base/url.h"
#include "provider/specifiers.h"

#define DURATION_MIN_S 900
#define DURATION_MAX_S 43200
#define ARN_MIN        20
#define ARN_MAX        2048
#define POLICY_MAX     2048
#define REGION_MAX     32

#define LETTERS "abcdefghijklmnopqrstuvwxyz"
#define DIGITS  "0123456789"

static bool is_arn(const char *text, size_t len)
{
    static const char prefix[] = "arn:";

    if (len < ARN_MIN || len > ARN_MAX || strncmp(text, prefix, strlen(prefix)) != 0)
        return false;
    for (size_t i = 0; i < len; i++)
        if (text[i] <= 0x20 || text[i] >= 0x7f)
            return false;
    return true;
}

/* A user's ARN, or that of an instance profile, is told here: STS would only refuse it. */
static const char *expects_role(const char *value)
{
    return !*value || (is_arn(value, strlen(value)) && strstr(value, ":role/"))
               ? NULL
               : "the ARN of a role, such as arn:aws:iam::123456789012:role/ci";
}

static const char *expects_arns(const char *value)
{
    size_t n = 0, len;

    for (; *value; value += len) {
        value += strspn(value, " \t");
        len = strcspn(value, " \t");
        if (len && (!is_arn(value, len) || ++n > AWS_POLICY_ARNS_MAX))
            return "at most 10 ARNs, separated by blanks";
    }
    return NULL;
}

/* The region becomes a part of a host's name. */
static const char *expects_region(const char *value)
{
    size_t len = strlen(value);

    return value[strspn(value, LETTERS DIGITS "-")] || len > REGION_MAX || *value == '-' ||
                   (len && value[len - 1] == '-')
               ? "a region, such as eu-central-1"
               : NULL;
}

static const char *expects_session_name(const char *value)
{
    static const char allowed[] = LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZ" DIGITS "_+=,.@-%";

    return value[strspn(value, allowed)] || !specifiers_are_valid(value) || strstr(value, "%%")
               ? "a name of letters, digits and _+=,.@- in which %n is the namespace, %s the "
                 "service account, %p the pod"
               : NULL;
}

static const char *expects_duration(const char *value)
{
    uint64_t seconds;

    return !*value || setting_seconds(value, DURATION_MIN_S, DURATION_MAX_S, &seconds) == 0
               ? NULL
               : "a time span from 15min to 12h";
}

static const char *expects_policy(const char *value)
{
    size_t len = strlen(value);
    CLEANUP(json_decrefp)
    json_t *policy = json_read_object(value, len);

    return !*value || (policy && len <= POLICY_MAX)
               ? NULL
               : "a policy: a JSON object in one line of at most 2048 characters";
}

static const struct provider_setting settings[] = {
    [AWS_ROLE_ARN] = {"RoleARN", expects_role},
    [AWS_REGION] = {"Region", expects_region},
    [AWS_SESSION_NAME] = {"SessionName", expects_session_name, "%n.%s", .has_specifiers = true},
    [AWS_DURATION] = {"Duration", expects_duration},
    [AWS_POLICY] = {"Policy", expects_policy},
    [AWS_POLICY_ARNS] = {"PolicyARNs", expects_arns},
    [AWS_ENDPOINT] = {"Endpoint", setting_expects_url},
    {0},
};

static const char *const variables[] = {"AWS_SESSION_TOKEN",     "AWS_ACCESS_KEY_ID",
                                        "AWS_SECRET_ACCESS_KEY", "AWS_REGION",
                                        "AWS_DEFAULT_REGION",    NULL};

/* Some SDKs prefer a profile, or another source, to the three variables. */
static const char *const unset[] = {
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SECURITY_TOKEN",
    "AWS_ENDPOINT_URL",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    NULL,
};

static int aws_check(const struct provider_values *values, size_t *ret_blamed, char *ret_error,
                     size_t size)
{
    *ret_blamed = PROVIDER_SETTINGS_MAX;
    if (!values->value[AWS_ROLE_ARN])
        return setting_wrong(ret_error, size, "RoleARN= is missing");
    if (!values->value[AWS_REGION])
        return setting_wrong(ret_error, size,
                             "Region= is missing; the regional endpoint of STS is asked, and "
                             "programs use it as their region");
    return 0;
}

char *aws_endpoint(const struct provider_values *values)
{
    const char *endpoint = values->value[AWS_ENDPOINT], *region = values->value[AWS_REGION];
    bool is_china = strncmp(region, "cn-", 3) == 0;
    char *url;

    if (endpoint)
        return strndup(endpoint, (size_t)url_length(endpoint));
    return asprintf(&url, "https://sts.%s.amazonaws.com%s", region, is_china ? ".cn" : "") < 0
               ? NULL
               : url;
}

const struct provider provider_aws = {
    .name = "aws-sts",
    .section = "AWS",
    .settings = settings,
    .variables = variables,
    .unset = unset,
    .check = aws_check,
    .endpoint = aws_endpoint,
};
