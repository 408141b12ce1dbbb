#include "cloud/auth_policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/setting.h"
#include "provider/pulumi.h"

/* The member that has the target, for each type of token. */
static const struct {
    const char *type, *member;
} targets[] = {{"organization", NULL},
               {"team", "teamName"},
               {"personal", "userLogin"},
               {"runner", "runnerID"}};

static bool find_target(const char *type, const char **ret_member)
{
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        if (strcmp(targets[i].type, type) != 0)
            continue;
        *ret_member = targets[i].member;
        return true;
    }
    return false;
}

static int add_rule(struct auth_policy *policy, const char *path, const char *pattern,
                    char *ret_error)
{
    struct rule_section *section = policy->rules.sections;
    struct rule_remark remark;
    const char *error;
    int r = rule_section_add(section, path, pattern, &error);

    if (r < 0)
        return r == -EINVAL ? setting_wrong(ret_error, AUTH_POLICY_ERROR_SIZE, "rule %.100s: %s",
                                            path, error)
                            : r;
    remark.state = rule_examine(section, remark.text);
    if (policy->remark.state == RULE_USUAL)
        policy->remark = remark;
    return 0;
}

static int read_rules(struct auth_policy *policy, const json_t *rules, char *ret_error)
{
    json_t *copy = json_object(), *pattern;
    const char *path;
    int r = 0;

    json_object_set_new(policy->json, "rules", copy);
    if (!policy_add_section(&policy->rules, "", policy->is_deny))
        return -ENOMEM;
    json_object_foreach((json_t *)rules, path, pattern)
    {
        if (!json_is_string(pattern))
            return setting_wrong(ret_error, AUTH_POLICY_ERROR_SIZE,
                                 "rule %.100s: the pattern is not a string", path);
        r = add_rule(policy, path, json_string_value(pattern), ret_error);
        if (r < 0)
            return r;
        json_object_set(copy, path, pattern);
    }
    return json_object_size(copy) == json_object_size(rules) ? 0 : -ENOMEM;
}

/* "standard" is what a token has in each case. */
static bool has_admin(const json_t *permissions)
{
    const json_t *permission;
    size_t i;

    json_array_foreach(permissions, i, permission)
    {
        if (json_is_string(permission) && strcmp(json_string_value(permission), "admin") == 0)
            return true;
    }
    return false;
}

/* Keeps what is known here, in one order; a role is a permission, too. */
static int normalize(struct auth_policy *policy, const json_t *json, const char *member)
{
    const char *role = json_member_string(json, "roleID");
    const char *target = member ? json_member_string(json, member) : NULL;

    policy->permits_admin = has_admin(json_object_get(json, "authorizedPermissions"));
    policy->json =
        json_pack("{s:s, s:s, s:[]}", "decision", policy->is_deny ? "deny" : "allow", "tokenType",
                  json_member_string(json, "tokenType"), "authorizedPermissions");
    if (!policy->json)
        return -ENOMEM;
    if (target)
        json_object_set_new(policy->json, member, json_string(target));
    if (role && *role)
        json_object_set_new(policy->json, "roleID", json_string(role));
    if (policy->permits_admin)
        json_array_append_new(json_object_get(policy->json, "authorizedPermissions"),
                              json_string("admin"));
    policy->token_type = json_member_string(policy->json, "tokenType");
    policy->target = member ? json_member_string(policy->json, member) : NULL;
    return 0;
}

static int read_policy(struct auth_policy *policy, const json_t *json, char *ret_error)
{
    const char *decision = json_member_string(json, "decision");
    const char *type = json_member_string(json, "tokenType"), *member;
    const json_t *rules = json_object_get(json, "rules");
    int r;

    if (!decision || (strcmp(decision, "allow") != 0 && strcmp(decision, "deny") != 0))
        return setting_wrong(ret_error, AUTH_POLICY_ERROR_SIZE,
                             "the decision is neither allow nor deny");
    if (!type || !find_target(type, &member))
        return setting_wrong(ret_error, AUTH_POLICY_ERROR_SIZE, "the token type %.64s is unknown",
                             type ? type : "(none)");
    if (rules && !json_is_null(rules) && !json_is_object(rules))
        return setting_wrong(ret_error, AUTH_POLICY_ERROR_SIZE, "the rules are not an object");
    policy->is_deny = strcmp(decision, "deny") == 0;
    r = normalize(policy, json, member);
    return r < 0 ? r : read_rules(policy, rules, ret_error);
}

static void auth_policy_done(struct auth_policy *policy)
{
    json_decref(policy->source);
    json_decref(policy->json);
    free(policy->problem);
    policy_done(&policy->rules);
}

/* Keeps what is not understood as it is. */
static int keep_unknown(struct auth_policy *policy, const char *problem)
{
    auth_policy_done(&(struct auth_policy){.json = policy->json, .rules = policy->rules});
    *policy = (struct auth_policy){
        .source = policy->source,
        .json = json_incref(policy->source),
        .problem = strdup(problem),
        .token_type = "",
    };
    return policy->problem && policy_add_section(&policy->rules, "", false) ? 0 : -ENOMEM;
}

/* Appends the policy that @json is. */
static int append(struct auth_policies *policies, json_t *json, char *ret_error)
{
    struct auth_policy policy = {.source = json_incref(json)};
    struct auth_policy *list = reallocarray(policies->list, policies->n + 1, sizeof(*list));
    int r;

    if (!list) {
        json_decref(policy.source);
        return -ENOMEM;
    }
    policies->list = list;
    r = read_policy(&policy, json, ret_error);
    if (r == -EINVAL)
        r = keep_unknown(&policy, ret_error);
    if (r < 0)
        auth_policy_done(&policy);
    else
        list[policies->n++] = policy;
    return r;
}

int auth_policies_read(const json_t *array, struct auth_policies *ret_policies,
                       char ret_error[AUTH_POLICY_ERROR_SIZE])
{
    json_t *json;
    size_t i;

    *ret_policies = (struct auth_policies){0};
    if (!json_is_array(array))
        return setting_wrong(ret_error, AUTH_POLICY_ERROR_SIZE, "the policies are not an array");
    json_array_foreach(array, i, json)
    {
        int r = append(ret_policies, json, ret_error);

        if (r < 0) {
            snprintf(ret_error, AUTH_POLICY_ERROR_SIZE, "out of memory");
            return r;
        }
    }
    return 0;
}

bool service_requests(const struct service *service, struct requested_token *ret_token)
{
    struct provider_values values = service_values(service);
    const struct pulumi_token_type *type = pulumi_token_type(&values);
    const char *scope = values.value[PULUMI_SCOPE];
    size_t prefix = strlen(type->scope_prefix);

    *ret_token = (struct requested_token){.type = type->name};
    if (!type->has_target) {
        ret_token->is_admin = scope && strcmp(scope, "admin") == 0;
        return true;
    }
    ret_token->target = values.value[type->target];
    if (scope && strncmp(scope, type->scope_prefix, prefix) == 0 && scope[prefix])
        ret_token->target = scope + prefix;
    return ret_token->target;
}

/*
 * Adds a rule. The audience of JWTs for the service is known, so rules that match it say nothing.
 */
static int add_pattern(json_t *rules, const struct service *service, const struct rule *rule)
{
    char path[RULE_PATH_SIZE];
    bool is_audience;

    rule_path_text(rule, path);
    is_audience = strcmp(path, "aud") == 0;
    if (is_audience && wildcard_matches(&rule->pattern, service->audience))
        return 0;
    if (json_object_get(rules, path) && !is_audience)
        return -EEXIST;
    return json_object_set_new(rules, path, json_string(rule->pattern.text)) < 0 ? -ENOMEM : 0;
}

/* Returns the policy that the section says, or NULL with a sentence in @ret_error. */
static json_t *policy_of(const struct service *service, const struct rule_section *section,
                         const struct requested_token *token, char *ret_error)
{
    CLEANUP(json_decrefp)
    json_t *json =
        json_pack("{s:s, s:s, s:[], s:{}}", "decision", section->is_deny ? "deny" : "allow",
                  "tokenType", token->type, "authorizedPermissions", "rules");
    json_t *rules = json_object_get(json, "rules");
    char title[SECTION_TITLE_SIZE];
    const char *member = NULL;
    int r = 0;

    find_target(token->type, &member);
    if (member)
        json_object_set_new(json, member, json_string(token->target));
    if (token->is_admin && !section->is_deny)
        json_array_append_new(json_object_get(json, "authorizedPermissions"), json_string("admin"));
    if (!section->is_deny)
        json_object_set_new(rules, "aud", json_string(service->audience));
    for (size_t i = 0; i < section->n_rules && r == 0; i++)
        r = add_pattern(rules, service, &section->rules[i]);
    if (r == -EEXIST)
        setting_wrong(ret_error, AUTH_POLICY_ERROR_SIZE,
                      "service %.64s, %s: two rules for one claim; Pulumi Cloud has one for each",
                      service->name, rule_section_title(section, title));
    return r < 0 ? NULL : TAKE_PTR(json);
}

static int derive_section(const struct service *service, const struct rule_section *section,
                          const struct requested_token *token, struct auth_policies *policies,
                          char *ret_error)
{
    CLEANUP(json_decrefp)
    json_t *json = policy_of(service, section, token, ret_error);
    int r = json ? append(policies, json, ret_error) : -EINVAL;
    struct auth_policy *last;

    if (r < 0)
        return r;
    last = &policies->list[policies->n - 1];
    if (last->problem)
        return setting_wrong(ret_error, AUTH_POLICY_ERROR_SIZE, "service %.64s: %.300s",
                             service->name, last->problem);
    last->service = service;
    last->section = section;
    policies->n--; /* it is compared with those before it */
    if (auth_policies_have(policies, last))
        auth_policy_done(last);
    else
        policies->n++;
    return 0;
}

int auth_policies_derive(const struct site *site, struct auth_policies *ret_policies,
                         char ret_error[AUTH_POLICY_ERROR_SIZE])
{
    *ret_policies = (struct auth_policies){0};
    snprintf(ret_error, AUTH_POLICY_ERROR_SIZE, "out of memory");
    for (size_t i = 0; i < site->n_services; i++) {
        const struct service *service = site->services[i];
        struct requested_token token;

        if (!service_requests(service, &token))
            return setting_wrong(
                ret_error, AUTH_POLICY_ERROR_SIZE,
                "service %.64s: Scope= does not say which user, team or runner the token "
                "is for",
                service->name);
        for (size_t j = 0; j < service->policy.n_sections; j++) {
            int r = derive_section(service, &service->policy.sections[j], &token, ret_policies,
                                   ret_error);

            if (r < 0)
                return r;
        }
    }
    return 0;
}

void auth_policies_done(struct auth_policies *policies)
{
    for (size_t i = 0; i < policies->n; i++)
        auth_policy_done(&policies->list[i]);
    free(policies->list);
    *policies = (struct auth_policies){0};
}

bool auth_policies_have(const struct auth_policies *policies, const struct auth_policy *policy)
{
    for (size_t i = 0; i < policies->n; i++)
        if (json_equal(policies->list[i].json, policy->json))
            return true;
    return false;
}

const struct rule_section *auth_policy_rules(const struct auth_policy *policy)
{
    return policy->rules.sections;
}

const char *auth_policy_title(const struct auth_policy *policy, char buffer[AUTH_POLICY_TITLE_SIZE])
{
    const char *role = json_member_string(policy->json, "roleID");

    if (policy->problem) {
        snprintf(buffer, AUTH_POLICY_TITLE_SIZE, "policy that is not understood: %.256s",
                 policy->problem);
        return buffer;
    }
    snprintf(buffer, AUTH_POLICY_TITLE_SIZE, "%s %s%s%.128s%s%s%.64s",
             policy->is_deny ? "deny" : "allow", policy->token_type, policy->target ? " " : "",
             policy->target ? policy->target : "",
             policy->permits_admin ? " with admin rights" : "", role ? ", role " : "",
             role ? role : "");
    return buffer;
}

bool auth_policy_applies(const struct auth_policy *policy, const struct requested_token *token)
{
    struct wildcard pattern;
    bool applies;

    if (strcmp(policy->token_type, token->type) != 0)
        return false;
    if (!token->target)
        return true;
    if (!policy->target || wildcard_init(&pattern, policy->target) < 0)
        return false;
    applies = wildcard_matches(&pattern, token->target);
    wildcard_done(&pattern);
    return applies;
}
