#include "policy/examine.h"

#include <stdio.h>
#include <string.h>

#define KUBERNETES "kubernetes.io"

/* What may stand in a name or uid of Kubernetes, and the wildcards. "." is both. */
#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789-.*?"

static const struct claim {
    const char *members[4]; /* ends with NULL */
    const char *characters; /* of its values, or NULL: any */
} claims[] = {
    {{"iss"}, NULL},
    {{"sub"}, ":" NAME_CHARACTERS},
    {{"aud"}, NULL},
    {{"exp"}, NULL},
    {{"nbf"}, NULL},
    {{"iat"}, NULL},
    {{"jti"}, NULL},
    {{KUBERNETES, "namespace"}, NAME_CHARACTERS},
    {{KUBERNETES, "serviceaccount", "name"}, NAME_CHARACTERS},
    {{KUBERNETES, "serviceaccount", "uid"}, NAME_CHARACTERS},
    {{KUBERNETES, "pod", "name"}, NAME_CHARACTERS},
    {{KUBERNETES, "pod", "uid"}, NAME_CHARACTERS},
    {{KUBERNETES, "node", "name"}, NAME_CHARACTERS},
    {{KUBERNETES, "node", "uid"}, NAME_CHARACTERS},
    {{KUBERNETES, "secret", "name"}, NAME_CHARACTERS},
    {{KUBERNETES, "secret", "uid"}, NAME_CHARACTERS},
    {{KUBERNETES, "warnafter"}, NULL},
    {{KUBERNETES, "clusterName"}, NULL}, /* kcp */
};

static bool has_path(const struct rule *rule, const struct claim *claim)
{
    for (size_t i = 0; i < rule->n_path; i++)
        if (!claim->members[i] || strcmp(claim->members[i], rule->path[i]) != 0)
            return false;
    return !claim->members[rule->n_path];
}

static const struct claim *find_claim(const struct rule *rule)
{
    for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++)
        if (has_path(rule, &claims[i]))
            return &claims[i];
    return NULL;
}

static bool is_quote(char c)
{
    return c == '"' || c == '\'';
}

static enum rule_state examine_path(const struct rule *rule, char *ret_reason)
{
    const char *first = rule->path[0];

    if (strcmp(first, KUBERNETES) == 0) {
        snprintf(ret_reason, RULE_REASON_MAX,
                 "Kubernetes writes no such value below \"" KUBERNETES
                 "\": it has namespace, and name and uid of serviceaccount, pod and node");
        return RULE_DEAD;
    }
    if (strcmp(first, "kubernetes") == 0 || strncmp(first, KUBERNETES, strlen(KUBERNETES)) == 0) {
        snprintf(ret_reason, RULE_REASON_MAX,
                 "no token has this claim: quote \"" KUBERNETES "\" alone, as in \"" KUBERNETES
                 "\".namespace");
        return RULE_WRONG;
    }
    snprintf(ret_reason, RULE_REASON_MAX, "Kubernetes does not write the claim %.64s%s", first,
             rule->n_path > 1 ? " with members" : "");
    return RULE_UNUSUAL;
}

/* Returns whether no value matches both patterns. Two with wildcards are not compared. */
static bool excludes(const struct wildcard *a, const struct wildcard *b)
{
    return (a->is_literal && !wildcard_matches(b, a->text)) ||
           (b->is_literal && !wildcard_matches(a, b->text));
}

/* Looks for an earlier rule about the same claim. "aud" may have several values. */
static enum rule_state examine_section(const struct rule_section *section,
                                       const struct claim *claim, char *ret_reason)
{
    const struct wildcard *last = &section->rules[section->n_rules - 1].pattern;

    for (size_t i = 0; i + 1 < section->n_rules && strcmp(claim->members[0], "aud") != 0; i++) {
        if (find_claim(&section->rules[i]) != claim || !excludes(&section->rules[i].pattern, last))
            continue;
        snprintf(
            ret_reason, RULE_REASON_MAX,
            "no value matches this and =%.64s above: all rules of a section must match; write a "
            "section for each",
            section->rules[i].pattern.text);
        return RULE_DEAD;
    }
    return RULE_USUAL;
}

enum rule_state rule_examine(const struct rule_section *section, char ret_reason[RULE_REASON_MAX])
{
    const struct rule *rule = &section->rules[section->n_rules - 1];
    const char *pattern = rule->pattern.text;
    const struct claim *claim = find_claim(rule);
    size_t len = strlen(pattern);

    if (len == 0 || is_quote(pattern[0]) || is_quote(pattern[len - 1])) {
        snprintf(ret_reason, RULE_REASON_MAX,
                 len ? "a pattern has no quotes: they would be compared with the claim"
                     : "the pattern is empty; to match any value, write *");
        return RULE_WRONG;
    }
    if (!claim)
        return examine_path(rule, ret_reason);
    if (claim->characters && pattern[strspn(pattern, claim->characters)]) {
        snprintf(ret_reason, RULE_REASON_MAX,
                 "the pattern cannot match: in Kubernetes, this value has only small letters, "
                 "digits, %s\".\" and \"-\"; each rule has one pattern",
                 claim->members[1] ? "" : "\":\", ");
        return RULE_DEAD;
    }
    return examine_section(section, claim, ret_reason);
}
