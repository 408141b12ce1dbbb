/* podloginctl issuer policy lint */
#include "cloud/lint.h"
#include "ctl/issuer/issuer.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"

#define POLICIES_FILE_MAX 65536

static void print_service(const json_t *service)
{
    const json_t *claims = json_object_get(service, "claims"), *claim;
    size_t i;

    printf("service %s: %s tokens\n", json_member_string(service, "service"),
           json_member_string(service, "token"));
    printf("  claims   ");
    json_array_foreach(claims, i, claim)
    {
        printf(i ? ", " : "");
        issuer_print_text(json_string_value(claim));
    }
    printf("%s\n  sharing  Share=%s is %s\n", json_array_size(claims) ? "" : "-",
           json_member_string(service, "share"),
           json_is_true(json_object_get(service, "is_sharing_sound")) ? "sound" : "not sound");
}

/* "policy 2 (allow personal ci-bot), service pulumi" */
static void print_place(const json_t *finding, const struct auth_policies *policies)
{
    const char *service = json_member_string(finding, "service");
    json_int_t number = json_integer_value(json_object_get(finding, "policy"));
    char title[AUTH_POLICY_TITLE_SIZE];

    if (number > 0) {
        printf("policy %lld (", (long long)number);
        issuer_print_text(auth_policy_title(&policies->list[number - 1], title));
        printf(")%s", service ? ", " : ": ");
    }
    if (service)
        printf("service %s: ", service);
}

static void print_result(const json_t *result, const struct auth_policies *policies)
{
    const json_t *one;
    size_t i;

    json_array_foreach(json_object_get(result, "services"), i, one) print_service(one);
    json_array_foreach(json_object_get(result, "findings"), i, one)
    {
        printf("%s: ", json_member_string(one, "level"));
        print_place(one, policies);
        issuer_print_text(json_member_string(one, "text"));
        printf(" [%s]\n", json_member_string(one, "name"));
    }
}

static bool has_problem(const json_t *result)
{
    const json_t *finding;
    size_t i;

    json_array_foreach(json_object_get(result, "findings"), i, finding)
    {
        if (strcmp(json_member_string(finding, "level"), "note") != 0)
            return true;
    }
    return false;
}

/* What `curl` has saved, an AuthPolicy or its list alone. */
static int read_policies(const char *path, struct auth_policies *ret_policies)
{
    CLEANUP(json_decrefp)
    json_t *json = issuer_read_json(path, POLICIES_FILE_MAX);
    char error[AUTH_POLICY_ERROR_SIZE];

    if (!json)
        return EXIT_CODE_CONFIG;
    if (auth_policies_read(json_is_object(json) ? json_object_get(json, "policies") : json,
                           ret_policies, error) < 0)
        return issuer_fail(EXIT_CODE_CONFIG, "%s: %s", path, error);
    return EXIT_CODE_OK;
}

static int fetch(struct issuer_command *command, json_t **ret_issuer,
                 struct auth_policies *ret_policies)
{
    CLEANUP(json_decrefp)
    json_t *policy = NULL;
    int code = issuer_connect(command);

    if (code == EXIT_CODE_OK)
        code = issuer_find(command, ret_issuer);
    if (code != EXIT_CODE_OK)
        return code;
    if (!*ret_issuer)
        return issuer_fail(EXIT_CODE_DIFFERS,
                           "issuer %s is not registered in organization %s, so every token is "
                           "refused; podloginctl issuer register does that",
                           command->site.issuer->name, command->site.organization);
    return issuer_policies(command, *ret_issuer, &policy, ret_policies);
}

int issuer_policy_lint(struct issuer_command *command)
{
    CLEANUP(json_decrefp)
    json_t *issuer = NULL;
    CLEANUP(auth_policies_donep)
    struct auth_policies policies = {0};
    CLEANUP(json_decrefp)
    json_t *result = NULL;
    int code = command->options.policies ? read_policies(command->options.policies, &policies)
                                         : fetch(command, &issuer, &policies);

    if (code != EXIT_CODE_OK)
        return code;
    result = lint(&command->site, &policies, issuer);
    if (!result)
        return issuer_fail(EXIT_CODE_FAULT, "out of memory");
    if (command->options.is_json) {
        code = issuer_print_json(result);
    } else {
        issuer_print_title(command);
        print_result(result, &policies);
    }
    return code == EXIT_CODE_OK && has_problem(result) ? (int)EXIT_CODE_DIFFERS : code;
}
