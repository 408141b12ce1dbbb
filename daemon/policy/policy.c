#include "policy/policy.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Reads one member name, plain or quoted, and moves *@at past it. Returns NULL if it is empty. */
static const char *member_read(const char **at, size_t *ret_len)
{
    const char *start = *at, *end;

    if (*start == '"') {
        start++;
        end = strchr(start, '"');
        *at = end ? end + 1 : start;
    } else {
        end = start + strcspn(start, ".\"");
        *at = end;
    }
    if (!end || end == start)
        return NULL;
    *ret_len = (size_t)(end - start);
    return start;
}

static int path_read(struct rule *rule, const char *text, const char **ret_error)
{
    for (const char *at = text;; at++) {
        const char *member;
        size_t len;

        if (rule->n_path == CLAIM_PATH_MAX) {
            *ret_error = "a claim path has at most 8 names";
            return -EINVAL;
        }
        member = member_read(&at, &len);
        if (!member || (*at && *at != '.')) {
            *ret_error =
                "a claim path is a list of names separated by dots; a name with a dot is quoted: "
                "\"kubernetes.io\".namespace";
            return -EINVAL;
        }
        rule->path[rule->n_path] = strndup(member, len);
        if (!rule->path[rule->n_path])
            return -ENOMEM;
        rule->n_path++;
        if (!*at)
            return 0;
    }
}

int rule_init(struct rule *rule, const char *path, const char *pattern, const char **ret_error)
{
    int r;

    *rule = (struct rule){0};
    *ret_error = "out of memory";
    r = path_read(rule, path, ret_error);
    if (r == 0) {
        r = wildcard_init(&rule->pattern, pattern);
        if (r == -EINVAL)
            *ret_error = "the pattern is not valid UTF-8";
        if (r == -E2BIG)
            *ret_error = "the pattern is longer than 512 characters";
    }
    if (r < 0)
        rule_done(rule);
    return r == -E2BIG ? -EINVAL : r;
}

void rule_done(struct rule *rule)
{
    for (size_t i = 0; i < rule->n_path; i++)
        free(rule->path[i]);
    wildcard_done(&rule->pattern);
    *rule = (struct rule){0};
}

const char *rule_section_title(const struct rule_section *section, char buffer[SECTION_TITLE_SIZE])
{
    const char *quote = *section->name ? "\"" : "";

    snprintf(buffer, SECTION_TITLE_SIZE, "[%s%s%s%.200s%s]", section->is_deny ? "Deny" : "Allow",
             *quote ? " " : "", quote, section->name, quote);
    return buffer;
}

const char *rule_path_text(const struct rule *rule, char buffer[RULE_PATH_SIZE])
{
    size_t len = 0;

    *buffer = '\0';
    for (size_t i = 0; i < rule->n_path && len < RULE_PATH_SIZE; i++) {
        const char *quote = strchr(rule->path[i], '.') ? "\"" : "";

        len += (size_t)snprintf(buffer + len, RULE_PATH_SIZE - len, "%s%s%s%s", i ? "." : "", quote,
                                rule->path[i], quote);
    }
    return buffer;
}

/* Integers and booleans match the text that JSON has for them. */
static bool value_matches(const struct wildcard *pattern, const struct json_value *value)
{
    char number[32];

    switch (value->kind) {
    case JSON_KIND_STRING:
        return wildcard_matches(pattern, json_value_string(value));
    case JSON_KIND_INTEGER:
        snprintf(number, sizeof(number), "%" PRId64, value->integer);
        return wildcard_matches(pattern, number);
    case JSON_KIND_TRUE:
        return wildcard_matches(pattern, "true");
    case JSON_KIND_FALSE:
        return wildcard_matches(pattern, "false");
    default:
        return false;
    }
}

/* Returns the claim at the path of the rule; or NULL if it is absent. */
static const struct json_value *claim_of(const struct rule *rule, const struct json_value *claims)
{
    for (size_t i = 0; i < rule->n_path && claims; i++)
        claims = json_value_member(claims, rule->path[i]);
    return claims;
}

bool rule_matches(const struct rule *rule, const struct json_value *claims)
{
    const struct json_value *value = claim_of(rule, claims);

    if (!value)
        return false;
    if (value->kind != JSON_KIND_ARRAY)
        return value_matches(&rule->pattern, value);
    JSON_VALUE_FOREACH(element, value)
    {
        if (value_matches(&rule->pattern, element))
            return true;
    }
    return false;
}

struct rule_section *policy_add_section(struct policy *policy, const char *name, bool is_deny)
{
    struct rule_section *sections, *section;

    sections = reallocarray(policy->sections, policy->n_sections + 1, sizeof(*sections));
    if (!sections)
        return NULL;
    policy->sections = sections;
    section = &sections[policy->n_sections];
    *section = (struct rule_section){.name = strdup(name), .is_deny = is_deny};
    if (!section->name)
        return NULL;
    policy->n_sections++;
    return section;
}

int rule_section_add(struct rule_section *section, const char *path, const char *pattern,
                     const char **ret_error)
{
    struct rule *rules = reallocarray(section->rules, section->n_rules + 1, sizeof(*rules));
    int r;

    *ret_error = "out of memory";
    if (!rules)
        return -ENOMEM;
    section->rules = rules;
    r = rule_init(&rules[section->n_rules], path, pattern, ret_error);
    if (r == 0)
        section->n_rules++;
    return r;
}

/* A section without rules matches nothing. The configuration refuses such a section. */
static bool section_matches(const struct rule_section *section, const struct json_value *claims)
{
    for (size_t i = 0; i < section->n_rules; i++)
        if (!rule_matches(&section->rules[i], claims))
            return false;
    return section->n_rules > 0;
}

enum verdict policy_judge(const struct policy *policy, const struct json_value *claims,
                          const struct rule_section **ret_section)
{
    enum verdict verdict = VERDICT_DENY_UNMATCHED;

    *ret_section = NULL;
    for (size_t i = 0; i < policy->n_sections; i++) {
        const struct rule_section *section = &policy->sections[i];

        if (!section->is_deny && verdict == VERDICT_ALLOW)
            continue; /* already admitted; only a Deny section can change that */
        if (!section_matches(section, claims))
            continue;
        *ret_section = section;
        if (section->is_deny)
            return VERDICT_DENY;
        verdict = VERDICT_ALLOW;
    }
    return verdict;
}

void policy_done(struct policy *policy)
{
    for (size_t i = 0; i < policy->n_sections; i++) {
        struct rule_section *section = &policy->sections[i];

        for (size_t j = 0; j < section->n_rules; j++)
            rule_done(&section->rules[j]);
        free(section->rules);
        free(section->name);
    }
    free(policy->sections);
    *policy = (struct policy){0};
}
