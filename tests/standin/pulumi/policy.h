/*
 * Pulumi Cloud's authorization policies: which claims of an ID token allow which access token.
 *
 * Pure: no I/O, no clock. The daemon's own rules are not used here, so that an error in those
 * cannot hide itself.
 */
#ifndef STANDIN_PULUMI_POLICY_H
#define STANDIN_PULUMI_POLICY_H

#include <jansson.h>
#include <stdbool.h>

enum policy_verdict {
    POLICY_DENIED,
    POLICY_ALLOWED
};

struct token_type;

struct policy_request {
    const struct token_type *type;
    const char *target; /* the team, user or runner; NULL for an organization */
    bool wants_admin;
    const json_t *claims;
};

/*
 * Checks @policies, an array of the objects that the REST interface takes.
 *
 * Returns NULL, or an error message that the caller frees.
 */
char *policies_check(const json_t *policies);

/*
 * The same for the REST interface, which also wants the targets of tokens named, and permits
 * "admin" for tokens of organizations only.
 */
char *policies_check_strictly(const json_t *policies);

/*
 * A matching deny policy wins over any allow policy; without a matching allow policy the request is
 * denied. @policies must have passed policies_check().
 */
enum policy_verdict policies_evaluate(const json_t *policies, const struct policy_request *request);

/* The presets "default", which a new stand-in has, and "allow-all". The caller owns the array. */
json_t *policies_default(void);
json_t *policies_allow_all(void);

#endif
