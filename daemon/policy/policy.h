/*
 * The rules of a service: which service accounts and pods may use it.
 *
 * A rule has a claim path and a pattern, as in Pulumi Cloud's authorization policies. A section
 * matches if all of its rules match. A request is admitted if an Allow section matches and no Deny
 * section does; without an Allow section, nothing is admitted. The decision depends on the claims
 * only: no I/O, no clock, no state.
 */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/json_value.h"
#include "policy/wildcard.h"

#define CLAIM_PATH_MAX 8 /* the maximum depth of a JWT's payload, JSON_DEPTH_MAX */

struct rule {
    char *path[CLAIM_PATH_MAX]; /* member names, outermost first */
    size_t n_path;
    struct wildcard pattern;
};

struct rule_section {
    char *name; /* "" if it has none */
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
 * Reads a claim path, such as `"kubernetes.io".namespace`, and a pattern.
 *
 * @rule:      released with rule_done(); empty on failure.
 * @ret_error: on failure, a constant text.
 *
 * Returns 0, -EINVAL or -ENOMEM.
 */
int rule_init(struct rule *rule, const char *path, const char *pattern, const char **ret_error);

/* Frees the contents of @rule. */
void rule_done(struct rule *rule);

#define SECTION_TITLE_SIZE 256

/* Writes `[Allow "ci runners"]`, cut to fit. Returns @buffer. */
const char *rule_section_title(const struct rule_section *section, char buffer[SECTION_TITLE_SIZE]);

#define RULE_PATH_SIZE 1024

/* Writes the path of the rule, as it is written in a configuration, cut to fit. Returns @buffer. */
const char *rule_path_text(const struct rule *rule, char buffer[RULE_PATH_SIZE]);

/*
 * Returns whether the claim matches: its value does, or if it is an array, one of its elements.
 * Only strings, integers and booleans match. An absent claim does not match.
 */
bool rule_matches(const struct rule *rule, const struct json_value *claims);

/*
 * Appends an empty section and returns it, or NULL if memory runs out. The pointer is valid until
 * the next call. @name is copied.
 */
struct rule_section *policy_add_section(struct policy *policy, const char *name, bool is_deny);

/* Appends a rule to a section. Parameters and result are those of rule_init(). */
int rule_section_add(struct rule_section *section, const char *path, const char *pattern,
                     const char **ret_error);

/*
 * Evaluates the rules. Takes the first Deny section that matches, or else the first Allow section.
 *
 * @ret_section: the section that decided, owned by @policy; NULL if no section matches.
 */
enum verdict policy_judge(const struct policy *policy, const struct json_value *claims,
                          const struct rule_section **ret_section);

/* Frees the contents of @policy. */
void policy_done(struct policy *policy);

#endif
