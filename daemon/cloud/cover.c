#include "cloud/cover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUBJECT "system:serviceaccount:"

/* What differs between two tokens of one service account. */
static const char *const claims_of_pods[] = {
    "\"kubernetes.io\".pod.name",
    "\"kubernetes.io\".pod.uid",
    "\"kubernetes.io\".node.name",
    "\"kubernetes.io\".node.uid",
    "\"kubernetes.io\".secret.name",
    "\"kubernetes.io\".secret.uid",
    "\"kubernetes.io\".warnafter",
    "exp",
    "iat",
    "nbf",
    "jti",
};

bool rule_is_about(const struct rule *rule, const char *path)
{
    char own[RULE_PATH_SIZE];

    return strcmp(rule_path_text(rule, own), path) == 0;
}

bool rule_is_about_pod(const struct rule *rule)
{
    for (size_t i = 0; i < sizeof(claims_of_pods) / sizeof(claims_of_pods[0]); i++)
        if (rule_is_about(rule, claims_of_pods[i]))
            return true;
    return false;
}

static const struct rule *find_rule(const struct rule_section *section, const char *path)
{
    for (size_t i = 0; i < section->n_rules; i++)
        if (rule_is_about(&section->rules[i], path))
            return &section->rules[i];
    return NULL;
}

/*
 * The parts of a pattern for "sub". A subject has three colons, and none within its names, so the
 * three of the pattern stand for them.
 */
static int split_subject(const char *pattern, struct subject_patterns *ret_patterns)
{
    const char *namespace = pattern + strlen(SUBJECT), *colon;

    if (strncmp(pattern, SUBJECT, strlen(SUBJECT)) != 0)
        return 0;
    colon = strchr(namespace, ':');
    if (!colon || strchr(colon + 1, ':'))
        return 0;
    ret_patterns->namespace = strndup(namespace, (size_t)(colon - namespace));
    ret_patterns->account = strdup(colon + 1);
    return ret_patterns->namespace && ret_patterns->account ? 0 : -ENOMEM;
}

static int replace(char **text, const struct rule *rule)
{
    if (!rule)
        return 0;
    free(*text);
    *text = strdup(rule->pattern.text);
    return *text ? 0 : -ENOMEM;
}

int section_subject(const struct rule_section *section, struct subject_patterns *ret_patterns)
{
    const struct rule *subject = find_rule(section, "sub");
    int r = 0;

    *ret_patterns = (struct subject_patterns){0};
    if (subject)
        r = split_subject(subject->pattern.text, ret_patterns);
    if (r == 0)
        r = replace(&ret_patterns->namespace, find_rule(section, CLAIM_NAMESPACE));
    if (r == 0)
        r = replace(&ret_patterns->account, find_rule(section, CLAIM_ACCOUNT));
    return r;
}

void subject_patterns_done(struct subject_patterns *patterns)
{
    free(patterns->namespace);
    free(patterns->account);
    *patterns = (struct subject_patterns){0};
}

static bool covers(const struct wildcard *outer, const char *text)
{
    struct wildcard inner;
    bool result;

    if (wildcard_init(&inner, text) < 0)
        return false;
    result = wildcard_covers(outer, &inner);
    wildcard_done(&inner);
    return result;
}

/* Whether what the section says about the subject, in other rules, implies the rule. */
static bool subject_implies(const struct rule_section *inner, const struct rule *rule)
{
    CLEANUP(subject_patterns_donep)
    struct subject_patterns patterns;
    CLEANUP(freep)
    char *subject = NULL;
    const char *namespace, *account;

    if (section_subject(inner, &patterns) < 0)
        return false;
    namespace = patterns.namespace ? patterns.namespace : "*";
    account = patterns.account ? patterns.account : "*";
    if (rule_is_about(rule, CLAIM_NAMESPACE))
        return covers(&rule->pattern, namespace);
    if (rule_is_about(rule, CLAIM_ACCOUNT))
        return covers(&rule->pattern, account);
    return rule_is_about(rule, "sub") &&
           asprintf(&subject, SUBJECT "%s:%s", namespace, account) >= 0 &&
           covers(&rule->pattern, subject);
}

bool section_implies(const struct rule_section *inner, const struct rule *rule,
                     const struct service *service)
{
    char path[RULE_PATH_SIZE];

    rule_path_text(rule, path);
    for (size_t i = 0; i < inner->n_rules; i++)
        if (rule_is_about(&inner->rules[i], path) &&
            wildcard_covers(&rule->pattern, &inner->rules[i].pattern))
            return true;
    if (strcmp(path, "aud") == 0)
        return wildcard_matches(&rule->pattern, service->audience);
    if (strcmp(path, "iss") == 0)
        return wildcard_matches(&rule->pattern, service->issuer->url);
    return subject_implies(inner, rule);
}

bool section_covers(const struct rule_section *outer, const struct rule_section *inner,
                    const struct service *service)
{
    for (size_t i = 0; i < outer->n_rules; i++)
        if (!section_implies(inner, &outer->rules[i], service))
            return false;
    return true;
}

/* Two patterns with wildcards are not compared. */
static bool pattern_excludes(const struct wildcard *a, const struct wildcard *b)
{
    return (a->is_literal && !wildcard_matches(b, a->text)) ||
           (b->is_literal && !wildcard_matches(a, b->text));
}

static bool name_excludes(const char *a, const char *b)
{
    struct wildcard first = {0}, second = {0};
    bool result = a && b && wildcard_init(&first, a) == 0 && wildcard_init(&second, b) == 0 &&
                  pattern_excludes(&first, &second);

    wildcard_done(&first);
    wildcard_done(&second);
    return result;
}

static bool subject_excludes(const struct rule_section *a, const struct rule_section *b)
{
    CLEANUP(subject_patterns_donep)
    struct subject_patterns first = {0};
    CLEANUP(subject_patterns_donep)
    struct subject_patterns second = {0};

    return section_subject(a, &first) == 0 && section_subject(b, &second) == 0 &&
           (name_excludes(first.namespace, second.namespace) ||
            name_excludes(first.account, second.account));
}

bool section_excludes(const struct rule_section *a, const struct rule_section *b)
{
    char path[RULE_PATH_SIZE];

    for (size_t i = 0; i < a->n_rules; i++) {
        const struct rule *rule = find_rule(b, rule_path_text(&a->rules[i], path));

        if (rule && strcmp(path, "aud") != 0 && /* which may have several values */
            pattern_excludes(&a->rules[i].pattern, &rule->pattern))
            return true;
    }
    return subject_excludes(a, b);
}
