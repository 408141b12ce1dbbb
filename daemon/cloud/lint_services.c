/* What the policies mean for each service, compared with its own rules. */
#include "cloud/lint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cloud/cover.h"

/* A service, and what it asks for. */
struct subject {
    struct lint *lint;
    const struct service *service;
    struct requested_token token;
    bool is_sharing_sound;
};

/* Writes rules one after the other; all of them, or those that @inner does not imply. */
#define RULES_TEXT_SIZE 1024
static const char *rules_text(const struct rule_section *rules, const struct rule_section *inner,
                              const struct service *service, char buffer[RULES_TEXT_SIZE])
{
    size_t len = 0;

    *buffer = '\0';
    for (size_t i = 0; i < rules->n_rules && len < RULES_TEXT_SIZE; i++) {
        char path[RULE_PATH_SIZE];

        if (!inner || !section_implies(inner, &rules->rules[i], service))
            len += (size_t)snprintf(buffer + len, RULES_TEXT_SIZE - len, "%s%s=%s", len ? ", " : "",
                                    rule_path_text(&rules->rules[i], path),
                                    rules->rules[i].pattern.text);
    }
    return buffer;
}

static bool is_about(const struct subject *subject, const struct auth_policy *policy, bool is_deny)
{
    return !policy->problem && policy->is_deny == is_deny &&
           auth_policy_applies(policy, &subject->token);
}

/* The rules of a policy that a section does not imply, and those of them that are about the pod. */
struct missing {
    size_t n, n_pod;
};

static struct missing count_missing(const struct subject *subject, const struct auth_policy *policy,
                                    const struct rule_section *section)
{
    const struct rule_section *rules = auth_policy_rules(policy);
    struct missing missing = {0};

    for (size_t i = 0; i < rules->n_rules; i++) {
        if (section_implies(section, &rules->rules[i], subject->service))
            continue;
        missing.n++;
        missing.n_pod += rule_is_about_pod(&rules->rules[i]);
    }
    return missing;
}

/*
 * Returns the policy that allows most of what the section admits; NULL: there is none.
 *
 * @is_about_pod: only one that also demands something of the pod.
 */
static const struct auth_policy *find_allow(const struct subject *subject,
                                            const struct rule_section *section, bool is_about_pod)
{
    const struct auth_policies *policies = subject->lint->policies;
    const struct auth_policy *best = NULL;
    size_t least = SIZE_MAX;

    for (size_t i = 0; i < policies->n; i++) {
        const struct auth_policy *policy = &policies->list[i];
        struct missing missing;

        if (!is_about(subject, policy, false) ||
            (subject->token.is_admin && !policy->permits_admin))
            continue;
        missing = count_missing(subject, policy, section);
        if (missing.n < least && (!is_about_pod || missing.n_pod)) {
            least = missing.n;
            best = policy;
        }
    }
    return best;
}

/* What the section admits, and the policy allows only with further rules. */
static void add_refused(struct subject *subject, const struct rule_section *section,
                        const struct auth_policy *policy)
{
    bool is_shared = subject->service->share == SHARE_SERVICEACCOUNT;
    const struct auth_policy *by_pod = is_shared ? find_allow(subject, section, true) : NULL;
    struct missing missing = count_missing(subject, policy, section);
    char name[SECTION_TITLE_SIZE], rules[RULES_TEXT_SIZE];

    rule_section_title(section, name);
    rules_text(auth_policy_rules(by_pod ? by_pod : policy), section, subject->service, rules);
    if (by_pod) {
        subject->is_sharing_sound = false;
        lint_add(
            subject->lint, LINT_ERROR, "share", by_pod, subject->service,
            "%s lacks %s, so a token that one pod gets is given to pods that would be refused: "
            "repeat it there, or set Share=pod",
            name, rules);
    } else if (missing.n == missing.n_pod) {
        lint_add(subject->lint, LINT_NOTE, "refused", policy, subject->service,
                 "pods that %s admits are refused, unless %s", name, rules);
    } else {
        lint_add(subject->lint, LINT_ERROR, "refused", policy, subject->service,
                 "what %s admits is refused, unless %s, which the section does not demand", name,
                 rules);
    }
}

/*
 * What the section admits, and no policy allows. A token that is shared must not depend on the pod
 * whose JWT it was exchanged for.
 */
static void check_allowed(struct subject *subject, const struct rule_section *section)
{
    const struct auth_policy *policy = find_allow(subject, section, false);
    const struct requested_token *token = &subject->token;
    char name[SECTION_TITLE_SIZE];

    if (!policy)
        lint_add(subject->lint, LINT_ERROR, "refused", NULL, subject->service,
                 "what %s admits is refused: no policy allows %s%s tokens%s%s",
                 rule_section_title(section, name), token->is_admin ? "administrators' " : "",
                 token->type, token->target ? " for " : "", token->target ? token->target : "");
    else if (count_missing(subject, policy, section).n)
        add_refused(subject, section, policy);
}

/* A local [Deny] that holds only as long as the daemon is asked. */
static void check_denied(const struct subject *subject, const struct rule_section *section)
{
    const struct auth_policies *policies = subject->lint->policies;
    char name[SECTION_TITLE_SIZE];

    for (size_t i = 0; i < policies->n; i++)
        if (is_about(subject, &policies->list[i], true) &&
            section_covers(auth_policy_rules(&policies->list[i]), section, subject->service))
            return;
    lint_add(
        subject->lint, LINT_WARNING, "deny-local", NULL, subject->service,
        "what %s refuses is not denied by a policy: a pod that asks Pulumi Cloud itself gets a "
        "token; podloginctl issuer policy apply adds it",
        rule_section_title(section, name));
}

/* Returns whether a section of this kind covers the policy. */
static bool is_repeated(const struct service *service, const struct auth_policy *policy)
{
    for (size_t i = 0; i < service->policy.n_sections; i++) {
        const struct rule_section *section = &service->policy.sections[i];

        if (section->is_deny == policy->is_deny &&
            section_covers(section, auth_policy_rules(policy), service))
            return true;
    }
    return false;
}

static bool touches(const struct service *service, const struct auth_policy *policy)
{
    for (size_t i = 0; i < service->policy.n_sections; i++)
        if (!service->policy.sections[i].is_deny &&
            !section_excludes(&service->policy.sections[i], auth_policy_rules(policy)))
            return true;
    return false;
}

static bool has_pod_rule(const struct auth_policy *policy)
{
    const struct rule_section *rules = auth_policy_rules(policy);

    for (size_t i = 0; i < rules->n_rules; i++)
        if (rule_is_about_pod(&rules->rules[i]))
            return true;
    return false;
}

/* Returns whether all that the service admits is denied by the policy alone. */
static bool denies_all(const struct service *service, const struct auth_policy *policy)
{
    for (size_t i = 0; i < service->policy.n_sections; i++)
        if (!service->policy.sections[i].is_deny &&
            !section_covers(auth_policy_rules(policy), &service->policy.sections[i], service))
            return false;
    return true;
}

/* A policy that denies what the service admits. */
static void check_deny_policy(struct subject *subject, const struct auth_policy *policy)
{
    const struct service *service = subject->service;
    char rules[RULES_TEXT_SIZE];

    if (is_repeated(service, policy) || !touches(service, policy))
        return;
    rules_text(auth_policy_rules(policy), NULL, service, rules);
    if (!*rules) {
        lint_add(subject->lint, LINT_ERROR, "deny-all", policy, service,
                 "everything is refused: the policy denies without rules");
    } else if (denies_all(service, policy)) {
        lint_add(subject->lint, LINT_ERROR, "deny-all", policy, service,
                 "everything is refused: the policy denies all that the service admits, with %s",
                 rules);
    } else if (!has_pod_rule(policy) || service->share == SHARE_POD) {
        lint_add(subject->lint, LINT_WARNING, "deny-missing", policy, service,
                 "the service file lacks a [Deny] with %s, which is refused", rules);
    } else {
        subject->is_sharing_sound = false;
        lint_add(
            subject->lint, LINT_ERROR, "share", policy, service,
            "the service file lacks a [Deny] with %s, so a token that one pod gets is given to "
            "pods that would be refused: add it, or set Share=pod",
            rules);
    }
}

/* Adds the claims that a policy looks at. */
static void add_claims(const struct auth_policy *policy, json_t *claims)
{
    const struct rule_section *rules = auth_policy_rules(policy);
    char path[RULE_PATH_SIZE];

    for (size_t i = 0; i < rules->n_rules; i++)
        json_object_set_new(claims, rule_path_text(&rules->rules[i], path), json_null());
}

static json_t *claims_of(const struct subject *subject)
{
    const struct auth_policies *policies = subject->lint->policies;
    CLEANUP(json_decrefp)
    json_t *set = json_object();
    json_t *list = json_array(), *ignored;
    const char *path;

    for (size_t i = 0; i < policies->n; i++)
        if (is_about(subject, &policies->list[i], policies->list[i].is_deny))
            add_claims(&policies->list[i], set);
    json_object_foreach(set, path, ignored) json_array_append_new(list, json_string(path));
    return list;
}

static void add_service(const struct subject *subject)
{
    const struct requested_token *token = &subject->token;
    json_t *json =
        json_pack("{s:s, s:s+++, s:o, s:s, s:b}", "service", subject->service->name, "token",
                  token->type, token->target ? " " : "", token->target ? token->target : "",
                  token->is_admin ? " admin" : "", "claims", claims_of(subject), "share",
                  subject->service->share == SHARE_POD ? "pod" : "serviceaccount",
                  "is_sharing_sound", (int)subject->is_sharing_sound);

    if (!json || json_array_append_new(subject->lint->services, json) < 0)
        subject->lint->has_run_out = true;
}

static void check_service(struct subject *subject)
{
    const struct policy *own = &subject->service->policy;
    const struct auth_policies *policies = subject->lint->policies;

    for (size_t i = 0; i < own->n_sections; i++) {
        if (own->sections[i].is_deny)
            check_denied(subject, &own->sections[i]);
        else
            check_allowed(subject, &own->sections[i]);
    }
    for (size_t i = 0; i < policies->n; i++)
        if (is_about(subject, &policies->list[i], true))
            check_deny_policy(subject, &policies->list[i]);
    add_service(subject);
}

/* A policy that allows more than all the services whose tokens it is about. */
static void check_wider(struct lint *lint, const struct auth_policy *policy)
{
    bool is_used = false;

    if (policy->problem || policy->is_deny)
        return;
    for (size_t i = 0; i < lint->site->n_services; i++) {
        struct subject subject = {.lint = lint, .service = lint->site->services[i]};

        if (!service_requests(subject.service, &subject.token) ||
            !is_about(&subject, policy, false))
            continue;
        is_used = true;
        if (is_repeated(subject.service, policy))
            return;
    }
    if (is_used)
        lint_add(lint, LINT_WARNING, "wider", policy, NULL,
                 "it allows more than the [Allow] sections of the services: a pod that asks Pulumi "
                 "Cloud itself gets a token; podloginctl issuer policy apply --prune removes it");
    else
        lint_add(lint, LINT_NOTE, "foreign", policy, NULL, "no service here asks for such tokens");
}

void lint_services(struct lint *lint)
{
    for (size_t i = 0; i < lint->site->n_services; i++) {
        struct subject subject = {
            .lint = lint, .service = lint->site->services[i], .is_sharing_sound = true};

        if (service_requests(subject.service, &subject.token))
            check_service(&subject);
    }
    for (size_t i = 0; i < lint->policies->n; i++)
        check_wider(lint, &lint->policies->list[i]);
}
