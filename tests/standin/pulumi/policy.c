#include "standin/pulumi/policy.h"

#include <stdio.h>
#include <string.h>

#include "standin/memory.h"
#include "standin/pulumi/token_type.h"
#include "standin/pulumi/wildcard.h"

/*
 * Reads the first key of a path such as `"kubernetes.io".pod.name`: dots separate keys, and a key
 * that contains dots is quoted.
 *
 * Returns the rest of the path after the key and its dot, or NULL when the path is malformed.
 */
static const char *path_next(const char *path, const char **ret_key, size_t *ret_len)
{
    const char *end;

    if (*path == '"') {
        *ret_key = path + 1;
        end = strchr(path + 1, '"');
        if (!end)
            return NULL;
        *ret_len = (size_t)(end - *ret_key);
        end++;
    } else {
        *ret_key = path;
        *ret_len = strcspn(path, ".\"");
        end = path + *ret_len;
    }
    if (*ret_len == 0 || (*end != '.' && *end != '\0'))
        return NULL;
    if (*end == '.' && end[1] == '\0')
        return NULL;
    return *end == '.' ? end + 1 : end;
}

/* Returns the claim at @path in nested objects, or NULL. */
static const json_t *claim_find(const json_t *claims, const char *path)
{
    while (claims && *path) {
        const char *key;
        size_t len;

        path = path_next(path, &key, &len);
        if (!path)
            return NULL;
        claims = json_object_getn(claims, key, len);
    }
    return claims;
}

/* Numbers and booleans match as JSON text; objects and null match no rule. */
static bool value_matches(const char *pattern, const json_t *value)
{
    CLEANUP(freep) char *text = NULL;

    if (json_is_string(value))
        return wildcard_matches(pattern, json_string_value(value));
    if (!json_is_number(value) && !json_is_boolean(value))
        return false;
    text = must(json_dumps(value, JSON_ENCODE_ANY));
    return wildcard_matches(pattern, text);
}

static bool claim_matches(const char *pattern, const json_t *claim)
{
    size_t i;
    json_t *one;

    if (!json_is_array(claim))
        return value_matches(pattern, claim);
    json_array_foreach(claim, i, one)
    {
        if (json_is_string(one) && value_matches(pattern, one))
            return true;
    }
    return false;
}

/* A policy applies to one type of token, and to the targets that match its own. */
static bool policy_applies(const json_t *policy, const struct policy_request *request)
{
    const char *type = json_string_value(json_object_get(policy, "tokenType"));
    const char *target;

    if (strcmp(type, request->type->name) != 0)
        return false;
    if (!request->type->policy_field)
        return true;
    target = json_string_value(json_object_get(policy, request->type->policy_field));
    return target && request->target && wildcard_matches(target, request->target);
}

static bool rules_match(const json_t *rules, const json_t *claims)
{
    const char *path;
    json_t *pattern;

    json_object_foreach((json_t *)rules, path, pattern)
    {
        const json_t *claim = claim_find(claims, path);

        if (!claim || !claim_matches(json_string_value(pattern), claim))
            return false;
    }
    return true;
}

static bool permits_admin(const json_t *policy)
{
    json_t *permission;
    size_t i;

    json_array_foreach(json_object_get(policy, "authorizedPermissions"), i, permission)
    {
        if (strcmp(json_string_value(permission), "admin") == 0)
            return true;
    }
    return false;
}

enum policy_verdict policies_evaluate(const json_t *policies, const struct policy_request *request)
{
    bool is_allowed = false;
    json_t *policy;
    size_t i;

    json_array_foreach(policies, i, policy)
    {
        const char *decision = json_string_value(json_object_get(policy, "decision"));

        if (!policy_applies(policy, request) ||
            !rules_match(json_object_get(policy, "rules"), request->claims))
            continue;
        if (strcmp(decision, "deny") == 0)
            return POLICY_DENIED;
        if (!request->wants_admin || permits_admin(policy))
            is_allowed = true;
    }
    return is_allowed ? POLICY_ALLOWED : POLICY_DENIED;
}

static char *rules_check(const json_t *rules)
{
    const char *path;
    json_t *pattern;

    json_object_foreach((json_t *)rules, path, pattern)
    {
        const char *rest = path;
        const char *key;
        size_t len;

        if (!json_is_string(pattern))
            return must_print("the rule for %s is not a string", path);
        do
            rest = path_next(rest, &key, &len);
        while (rest && *rest);
        if (!rest)
            return must_print("malformed claim path: %s", path);
    }
    return NULL;
}

static char *policy_check(json_t *policy)
{
    const char *decision;
    const char *type;
    const char *ignored;
    json_t *permissions = NULL;
    json_t *rules;
    json_t *permission;
    json_error_t json_error;
    size_t i;

    if (json_unpack_ex(policy, &json_error, JSON_STRICT, "{s:s, s:s, s?s, s?s, s?s, s?s, s?o, s:o}",
                       "decision", &decision, "tokenType", &type, "userLogin", &ignored, "teamName",
                       &ignored, "runnerID", &ignored, "roleID", &ignored, "authorizedPermissions",
                       &permissions, "rules", &rules) < 0)
        return must_copy(json_error.text);
    if (strcmp(decision, "allow") != 0 && strcmp(decision, "deny") != 0)
        return must_copy("decision is neither allow nor deny");
    if (!token_type_find(type))
        return must_copy("unknown tokenType");
    if (permissions && !json_is_array(permissions))
        return must_copy("authorizedPermissions is not an array");
    json_array_foreach(permissions, i, permission)
    {
        if (!json_is_string(permission))
            return must_copy("authorizedPermissions are not strings");
    }
    if (!json_is_object(rules))
        return must_copy("rules is not an object");
    return rules_check(rules);
}

char *policies_check(const json_t *policies)
{
    json_t *policy;
    size_t i;

    if (!json_is_array(policies))
        return must_copy("policies is not an array");
    json_array_foreach(policies, i, policy)
    {
        char *error = policy_check(policy);

        if (error)
            return error;
    }
    return NULL;
}

char *policies_check_strictly(const json_t *policies)
{
    char *error = policies_check(policies);
    const json_t *policy;
    size_t i;

    json_array_foreach(policies, i, policy)
    {
        const struct token_type *type;

        if (error)
            return error;
        type = token_type_find(json_string_value(json_object_get(policy, "tokenType")));
        if (type->policy_field && !json_object_get(policy, type->policy_field))
            error =
                must_print("%s is required for the token type %s", type->policy_field, type->name);
        else if (type->policy_field && permits_admin(policy))
            error = must_copy("only organization tokens can have the permission admin");
    }
    return error;
}

json_t *policies_default(void)
{
    return must(json_pack("[{s:s, s:s, s:s, s:[], s:{s:s}}]", "decision", "allow", "tokenType",
                          "personal", "userLogin", "ci-bot", "authorizedPermissions", "rules",
                          "aud", "urn:pulumi:org:acme"));
}

json_t *policies_allow_all(void)
{
    json_t *policies = must(json_array());

    for (size_t i = 0; i < TOKEN_TYPES; i++) {
        json_t *policy =
            must(json_pack("{s:s, s:s, s:[s], s:{}}", "decision", "allow", "tokenType",
                           token_types[i].name, "authorizedPermissions", "admin", "rules"));

        if (token_types[i].policy_field)
            must_json(json_object_set_new(policy, token_types[i].policy_field, json_string("*")));
        must_json(json_array_append_new(policies, policy));
    }
    return policies;
}
