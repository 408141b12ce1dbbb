/*
 * The oracle: what Pulumi Cloud's authorization policies say about an ID token. It opens nothing,
 * reads no clock and knows no other part of the stand-in.
 */
#ifndef STANDIN_POLICY_H
#define STANDIN_POLICY_H

#include <jansson.h>
#include <stdbool.h>

enum policy_verdict {
    POLICY_DENIED,
    POLICY_ALLOWED
};

struct policy_question {
    const char *token_type; /* organization, team, personal or runner */
    const char *target;     /* the team, user or runner asked for; NULL for an organization */
    bool wants_admin;
    const json_t *claims;
};

/*
 * Checks @policies, an array of the objects that the REST interface takes.
 *
 * Returns NULL, or what is wrong with it, which the caller frees.
 */
char *policies_check(const json_t *policies);

/* Deny always wins; without an allow it is a denial. @policies must have passed the check. */
enum policy_verdict policies_decide(const json_t *policies, const struct policy_question *question);

/* What a new stand-in has, and what the preset "allow-all" means. The caller owns the array. */
json_t *policies_default(void);
json_t *policies_allow_all(void);

#endif
