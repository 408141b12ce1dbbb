#include "standin/aws/parameters.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "standin/aws/error.h"
#include "standin/memory.h"

#define POLICY_ARNS_MAX    10
#define POLICIES_MAX_BYTES 2048

struct constraint {
    const char *parameter;
    const char *member; /* how error messages call it */
    bool is_required;
    bool is_secret; /* error messages do not repeat it */
    size_t min;
    size_t max;
    const char *pattern;           /* as the model has it, for error messages; or NULL */
    bool (*allows)(int character); /* what the pattern says */
};

static bool is_session_character(int character)
{
    return isalnum(character) || (character && strchr("_+=,.@-", character));
}

enum parameter {
    ROLE_ARN,
    ROLE_SESSION_NAME,
    WEB_IDENTITY_TOKEN,
    PROVIDER_ID,
    POLICY,
    PARAMETERS,
};

static const struct constraint constraints[PARAMETERS] = {
    [ROLE_ARN] = {"RoleArn", "roleArn", true, false, 20, 2048, NULL, NULL},
    [ROLE_SESSION_NAME] = {"RoleSessionName", "roleSessionName", true, false, 2, 64, "[\\w+=,.@-]*",
                           is_session_character},
    [WEB_IDENTITY_TOKEN] = {"WebIdentityToken", "webIdentityToken", true, true, 4, 20000, NULL,
                            NULL},
    [PROVIDER_ID] = {"ProviderId", "providerId", false, false, 4, 2048, NULL, NULL},
    [POLICY] = {"Policy", "policy", false, false, 1, 2048, NULL, NULL},
};

/* The errors that were found so far, as AWS lists them in one message. */
struct findings {
    char *text; /* NULL: none */
    unsigned count;
};

static void find_error(struct findings *findings, const char *member, const char *value,
                       const char *demand)
{
    char *text =
        must_print("%s%sValue %s%s%s at '%s' failed to satisfy constraint: Member must %s",
                   findings->text ? findings->text : "", findings->text ? "; " : "",
                   value ? "'" : "", value ? value : "null", value ? "'" : "", member, demand);

    free(findings->text);
    findings->text = text;
    findings->count++;
}

static bool all_allowed(const struct constraint *constraint, const char *value)
{
    while (*value && constraint->allows((unsigned char)*value))
        value++;
    return *value == '\0';
}

static void constraint_check(struct findings *findings, const struct constraint *constraint,
                             const char *value)
{
    const char *shown = constraint->is_secret ? "***" : value;
    char demand[128];

    if (!value) {
        if (constraint->is_required)
            find_error(findings, constraint->member, NULL, "not be null");
        return;
    }
    if (strlen(value) < constraint->min) {
        snprintf(demand, sizeof(demand), "have length greater than or equal to %zu",
                 constraint->min);
        find_error(findings, constraint->member, shown, demand);
    }
    if (strlen(value) > constraint->max) {
        snprintf(demand, sizeof(demand), "have length less than or equal to %zu", constraint->max);
        find_error(findings, constraint->member, shown, demand);
    }
    if (constraint->allows && !all_allowed(constraint, value)) {
        snprintf(demand, sizeof(demand), "satisfy regular expression pattern: %s",
                 constraint->pattern);
        find_error(findings, constraint->member, shown, demand);
    }
}

static json_int_t duration_check(struct findings *findings, const char *text)
{
    char *end = NULL;
    json_int_t duration_s = 0;

    if (!text)
        return 0;
    if (isdigit((unsigned char)*text))
        duration_s = strtoll(text, &end, 10);
    if (!end || *end != '\0')
        find_error(findings, "durationSeconds", text, "be an integer");
    else if (duration_s < 900)
        find_error(findings, "durationSeconds", text, "have value greater than or equal to 900");
    else if (duration_s > 43200)
        find_error(findings, "durationSeconds", text, "have value less than or equal to 43200");
    return duration_s;
}

/* Returns the index of PolicyArns.member.N.arn, or 0 when @name is something else. */
static unsigned long policy_arn_index(const char *name)
{
    static const char prefix[] = "PolicyArns.member.";
    char *end = NULL;
    unsigned long index;

    if (strncmp(name, prefix, sizeof(prefix) - 1) != 0 ||
        !isdigit((unsigned char)name[sizeof(prefix) - 1]))
        return 0;
    index = strtoul(name + sizeof(prefix) - 1, &end, 10);
    return strcmp(end, ".arn") == 0 ? index : 0;
}

static bool is_known(const char *name)
{
    static const char *const others[] = {"Action", "Version", "DurationSeconds"};

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (strcmp(others[i], name) == 0)
            return true;
    for (size_t i = 0; i < PARAMETERS; i++)
        if (strcmp(constraints[i].parameter, name) == 0)
            return true;
    return false;
}

/* Checks what is no constraint of one parameter. Returns NULL, or the code of an error. */
static const char *names_check(struct findings *findings, const json_t *fields,
                               size_t *ret_policy_bytes)
{
    static const struct constraint arn = {
        NULL, "policyArns.member.arn", false, false, 20, 2048, NULL, NULL};
    unsigned long n_arns = 0;
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)fields, name, value)
    {
        if (policy_arn_index(name) > 0) {
            n_arns++;
            *ret_policy_bytes += json_string_length(value);
            constraint_check(findings, &arn, json_string_value(value));
        } else if (!is_known(name)) {
            return "InvalidParameterValue"; /* AWS ignores it, which hides typing errors */
        }
    }
    if (n_arns > POLICY_ARNS_MAX)
        find_error(findings, "policyArns", "[...]", "have length less than or equal to 10");
    return NULL;
}

static bool is_json(const char *text)
{
    CLEANUP(json_decrefp) json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

    return json_is_object(json) && json_object_get(json, "Statement");
}

/* "arn:aws:iam::123456789012:role/PATH/NAME" */
static bool is_role_arn(const char *arn)
{
    static const char prefix[] = "arn:aws:iam::", middle[] = ":role/";
    const char *account = arn + sizeof(prefix) - 1;

    if (strncmp(arn, prefix, sizeof(prefix) - 1) != 0 || strspn(account, "0123456789") != 12 ||
        strncmp(account + 12, middle, sizeof(middle) - 1) != 0)
        return false;
    arn = account + 12 + sizeof(middle) - 1;
    while (is_session_character((unsigned char)*arn) || *arn == '/')
        arn++;
    return *arn == '\0' && arn[-1] != '/';
}

/* What the service checks once the parameters are as the model wants them. */
static bool values_check(const json_t *fields, const struct role_request *request,
                         struct reply *reply)
{
    if (json_object_get(fields, "ProviderId"))
        return !aws_error(reply, "InvalidParameterValue",
                          "ProviderId is not for OpenID Connect ID tokens");
    if (!is_role_arn(request->role_arn))
        return !aws_error(reply, "ValidationError", "Request ARN is invalid");
    if (request->policy && !is_json(request->policy))
        return !aws_error(reply, "MalformedPolicyDocument", NULL);
    if (request->policy_bytes > POLICIES_MAX_BYTES)
        return !aws_error(reply, "PackedPolicyTooLarge", NULL);
    return true;
}

bool role_request_read(const json_t *fields, struct role_request *ret_request, struct reply *reply)
{
    const char *values[PARAMETERS];
    struct findings findings = {0};
    const char *code;

    for (size_t i = 0; i < PARAMETERS; i++) {
        values[i] = json_string_value(json_object_get(fields, constraints[i].parameter));
        constraint_check(&findings, &constraints[i], values[i]);
    }
    *ret_request = (struct role_request){
        .role_arn = values[ROLE_ARN],
        .session_name = values[ROLE_SESSION_NAME],
        .token = values[WEB_IDENTITY_TOKEN],
        .policy = values[POLICY],
        .policy_bytes = values[POLICY] ? strlen(values[POLICY]) : 0,
    };
    ret_request->duration_s =
        duration_check(&findings, json_string_value(json_object_get(fields, "DurationSeconds")));
    code = names_check(&findings, fields, &ret_request->policy_bytes);
    if (findings.text) {
        CLEANUP(freep)
        char *message = must_print("%u validation error%s detected: %s", findings.count,
                                   findings.count == 1 ? "" : "s", findings.text);

        free(findings.text);
        return !aws_error(reply, "ValidationError", message);
    }
    if (code)
        return !aws_error(reply, code, "an unknown parameter");
    return values_check(fields, ret_request, reply);
}
