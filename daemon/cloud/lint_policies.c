/* Finds what is unsound in a policy by itself. lint_services.c compares it with the services. */
#include "cloud/lint.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cloud/cover.h"

/* Returns whether the pattern has no other characters, so that it says nothing about the claim. */
static bool is_anything(const char *pattern)
{
    return pattern && strchr(pattern, '*') && !pattern[strspn(pattern, "*?")];
}

/* Returns whether a dot stands between letters or digits, as in a name, and not as a wildcard. */
static bool has_literal_dot(const char *pattern)
{
    for (const char *dot = strchr(pattern, '.'); dot; dot = strchr(dot + 1, '.'))
        if (dot > pattern && isalnum((unsigned char)dot[-1]) && isalnum((unsigned char)dot[1]))
            return true;
    return false;
}

/*
 * A namespace often belongs to a team, which chooses the names of its service accounts. So a policy
 * must demand the namespace, and a policy for all accounts of a namespace must say so.
 */
static void check_subject(struct lint *lint, const struct auth_policy *policy)
{
    CLEANUP(subject_patterns_donep)
    struct subject_patterns subject;

    if (section_subject(auth_policy_rules(policy), &subject) < 0) {
        lint->has_run_out = true;
        return;
    }
    if (!subject.namespace || is_anything(subject.namespace))
        lint_add(lint, LINT_ERROR, "subject", policy, NULL,
                 "no rule demands a namespace: add " CLAIM_NAMESPACE " and " CLAIM_ACCOUNT
                 ", or sub=system:serviceaccount:NAMESPACE:NAME");
    else if (!subject.account)
        lint_add(lint, LINT_WARNING, "subject", policy, NULL,
                 "each service account of namespace %s is allowed: add " CLAIM_ACCOUNT
                 "; =* says that this is meant",
                 subject.namespace);
}

static const struct rule *audience_of(const struct auth_policy *policy)
{
    const struct rule_section *rules = auth_policy_rules(policy);

    for (size_t i = 0; i < rules->n_rules; i++)
        if (rule_is_about(&rules->rules[i], "aud"))
            return &rules->rules[i];
    return NULL;
}

static void check_audience(struct lint *lint, const struct auth_policy *policy)
{
    const struct rule *audience = audience_of(policy);

    if (policy->is_deny && audience)
        lint_add(lint, LINT_WARNING, "audience-deny", policy, NULL,
                 "\"aud\" of Kubernetes is an array, and whether Pulumi Cloud compares its values "
                 "is not documented; if it does not, this denies nothing: remove the rule");
    if (policy->is_deny)
        return;
    if (!audience)
        lint_add(lint, LINT_ERROR, "audience", policy, NULL,
                 "no rule demands an audience, so tokens for other servers, which these see, are "
                 "allowed: add aud");
    else if (strpbrk(audience->pattern.text, "*?"))
        lint_add(lint, LINT_WARNING, "audience-pattern", policy, NULL,
                 "aud=%s has wildcards, so tokens for several audiences are allowed: write the one "
                 "of Audience=",
                 audience->pattern.text);
}

static bool is_admin_requested(const struct lint *lint, const struct auth_policy *policy)
{
    for (size_t i = 0; i < lint->site->n_services; i++) {
        struct requested_token token;

        if (service_requests(lint->site->services[i], &token) && token.is_admin &&
            auth_policy_applies(policy, &token))
            return true;
    }
    return false;
}

static void check_rights(struct lint *lint, const struct auth_policy *policy)
{
    if (policy->permits_admin && is_admin_requested(lint, policy))
        lint_add(lint, LINT_NOTE, "admin", policy, NULL,
                 "it allows administrators' tokens, as Scope=admin asks for");
    else if (policy->permits_admin)
        lint_add(lint, LINT_WARNING, "admin", policy, NULL,
                 "it allows administrators' tokens, which no service asks for");
    if (policy->target && strpbrk(policy->target, "*?"))
        lint_add(lint, LINT_WARNING, "target", policy, NULL,
                 "it allows tokens for each %s that matches %s: write one",
                 strcmp(policy->token_type, "personal") == 0 ? "user" : policy->token_type,
                 policy->target);
}

/* Dots in the audience and the issuer are harmless: the daemon and the registration compare them.
 */
static void check_dots(struct lint *lint, const struct auth_policy *policy)
{
    const struct rule_section *rules = auth_policy_rules(policy);
    char path[RULE_PATH_SIZE];

    for (size_t i = 0; i < rules->n_rules; i++) {
        const struct rule *rule = &rules->rules[i];

        if (!has_literal_dot(rule->pattern.text) || rule_is_about(rule, "aud") ||
            rule_is_about(rule, "iss"))
            continue;
        lint_add(
            lint, LINT_WARNING, "dot", policy, NULL,
            "%s=%s: a dot is a wildcard for one character, so other names match, too; there is "
            "no way to write a dot",
            rule_path_text(rule, path), rule->pattern.text);
    }
}

static void check_remark(struct lint *lint, const struct auth_policy *policy)
{
    if (policy->remark.state != RULE_USUAL)
        lint_add(lint, policy->remark.state == RULE_UNUSUAL ? LINT_WARNING : LINT_ERROR, "claim",
                 policy, NULL, "it never %s: %s", policy->is_deny ? "denies" : "allows",
                 policy->remark.text);
}

static bool targets_overlap(const struct auth_policy *a, const struct auth_policy *b)
{
    struct wildcard first = {0}, second = {0};
    bool result = strcmp(a->token_type, b->token_type) == 0;

    if (result && a->target && b->target && wildcard_init(&first, a->target) == 0 &&
        wildcard_init(&second, b->target) == 0)
        result = wildcard_covers(&first, &second) || wildcard_covers(&second, &first);
    wildcard_done(&first);
    wildcard_done(&second);
    return result;
}

/* Deny counts for its own type and target of tokens only. */
static void check_deny(struct lint *lint, const struct auth_policy *policy)
{
    for (size_t i = 0; i < lint->policies->n; i++)
        if (!lint->policies->list[i].is_deny && targets_overlap(policy, &lint->policies->list[i]))
            return;
    lint_add(lint, LINT_WARNING, "deny-unused", policy, NULL,
             "it denies nothing: no policy allows %s tokens%s%s", policy->token_type,
             policy->target ? " for " : "", policy->target ? policy->target : "");
}

static void check_allow(struct lint *lint, const struct auth_policy *policy)
{
    check_rights(lint, policy);
    if (auth_policy_rules(policy)->n_rules == 0) {
        lint_add(lint, LINT_ERROR, "no-rules", policy, NULL,
                 "it has no rules, so each token of the cluster is allowed");
        return;
    }
    check_subject(lint, policy);
}

void lint_policies(struct lint *lint)
{
    bool has_audience = false;

    for (size_t i = 0; i < lint->policies->n; i++) {
        const struct auth_policy *policy = &lint->policies->list[i];

        if (policy->problem) {
            lint_add(lint, LINT_ERROR, "unknown", policy, NULL, "it is not understood: %s",
                     policy->problem);
            continue;
        }
        if (policy->is_deny)
            check_deny(lint, policy);
        else
            check_allow(lint, policy);
        if (auth_policy_rules(policy)->n_rules)
            check_audience(lint, policy);
        check_dots(lint, policy);
        check_remark(lint, policy);
        has_audience = has_audience || audience_of(policy);
    }
    if (has_audience)
        lint_add(
            lint, LINT_NOTE, "audience-array", NULL, NULL,
            "\"aud\" of Kubernetes is an array, and whether Pulumi Cloud compares its values is "
            "not documented; one exchange shows it");
}
