/*
 * Compares rules: whether all JWTs that match one section match another one, too. Knows what the
 * claims of Kubernetes have to do with each other.
 */
#ifndef CLOUD_COVER_H
#define CLOUD_COVER_H

#include "config/config.h"

/*
 * Returns whether every JWT for @service that matches @inner satisfies @rule. May return false for
 * one that is satisfied for a reason that is not known here.
 */
bool section_implies(const struct rule_section *inner, const struct rule *rule,
                     const struct service *service);

/* The same for all rules of @outer. A section without rules covers each. */
bool section_covers(const struct rule_section *outer, const struct rule_section *inner,
                    const struct service *service);

/* Returns whether no JWT matches both, as far as is known here. */
bool section_excludes(const struct rule_section *a, const struct rule_section *b);

/* Returns whether the claims of pods of one service account differ in it: pod, node, times. */
bool rule_is_about_pod(const struct rule *rule);

/* Returns whether the path of the rule is @path, as it is written in a configuration. */
bool rule_is_about(const struct rule *rule, const char *path);

/*
 * Which service accounts a section is about. The patterns are those of its rules on the namespace
 * and the account, or the parts of the one on the subject.
 */
struct subject_patterns {
    char *namespace, *account; /* NULL: any */
};

/* @ret_patterns: released with subject_patterns_done(). Returns 0 or -ENOMEM. */
int section_subject(const struct rule_section *section, struct subject_patterns *ret_patterns);
void subject_patterns_done(struct subject_patterns *patterns);

static inline void subject_patterns_donep(struct subject_patterns *patterns)
{
    subject_patterns_done(patterns);
}

#define CLAIM_NAMESPACE "\"kubernetes.io\".namespace"
#define CLAIM_ACCOUNT   "\"kubernetes.io\".serviceaccount.name"

#endif
