/*
 * A service's own rules: which service accounts and pods it admits.
 *
 * Rules are those of Pulumi Cloud's authorization policies: a claim path and a pattern. All rules
 * of a section must match; any Allow section admits, any Deny section refuses whatever the others
 * say, and with no Allow section nobody is admitted. Pure: no I/O, no clock, no memory of earlier
 * calls.
 */
#ifndef POLICY_H
#define POLICY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "policy/wildcard.h"

#define CLAIM_PATH_MAX 8 /* as deep as a JWT's payload may be */

struct rule {
    char *path[CLAIM_PATH_MAX]; /* member names, outermost first */
    size_t n_path;
    struct wildcard pattern;
};

struct rule_section {
    char *name;
    bool is_deny;
    struct rule *rules;
    size_t n_rules;
};

struct policy {
    struct rule_section *sections;
    size_t n_sections;
};

enum verdict {
    VERDICT_DENY_UNMATCHED, /* no Allow section matches */
    VERDICT_DENY,           /* a Deny section matches */
    VERDICT_ALLOW,
};

/*
 * Reads `"kubernetes.io".namespace` and a pattern. On failure *ret_error is a constant sentence.
 * 0, -EINVAL or -ENOMEM.
 */
int rule_init(struct rule *rule, const char *path, const char *pattern, const char **ret_error);
void rule_done(struct rule *rule);

/* The claim that the rule looks at; NULL: it is not there. */
const json_t *rule_claim(const struct rule *rule, const json_t *claims);

/* Whether the claim is there and is, or as an array holds, a value that matches. */
bool rule_matches(const struct rule *rule, const json_t *claims);

/* Appends an empty section; NULL: out of memory. The pointer holds until the next call. */
struct rule_section *policy_add_section(struct policy *policy, const char *name, bool is_deny);

/* Appends a rule to a section. As rule_init(). */
int rule_section_add(struct rule_section *section, const char *path, const char *pattern,
                     const char **ret_error);

/* @ret_section: the section that decided; NULL where none did. */
enum verdict policy_judge(const struct policy *policy, const json_t *claims,
                          const struct rule_section **ret_section);

void policy_done(struct policy *policy);

#endif
