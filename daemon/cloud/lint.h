/*
 * Finds what is unsound in the authorization policies of an issuer, and where they and the local
 * rules do not mean the same.
 */
#ifndef CLOUD_LINT_H
#define CLOUD_LINT_H

#include "cloud/auth_policy.h"

/*
 * Examines the policies.
 *
 * @registration: of the issuer, as the REST interface has it; NULL: it is not known.
 *
 * Returns an object, which the caller releases, or NULL if memory runs out:
 *   findings: an array of {level, name, text}, and policy, a number from 1 on, or service. The
 * level is "error", "warning", or "note", which demands nothing. services: an array of {service,
 * token, claims, share, is_sharing_sound}; claims are those that the policies for such tokens look
 * at.
 */
json_t *lint(const struct site *site, const struct auth_policies *policies,
             const json_t *registration);

/* The parts of it. Each returns false if memory runs out. */
struct lint {
    const struct site *site;
    const struct auth_policies *policies;
    json_t *findings;
    json_t *services;
    bool has_run_out; /* of memory */
};

/* Each policy by itself. */
void lint_policies(struct lint *lint);

/* Each service, with the policies that are about its tokens. */
void lint_services(struct lint *lint);

enum lint_level {
    LINT_ERROR,
    LINT_WARNING,
    LINT_NOTE,
};

/* Adds a finding, in the manner of printf(3). @policy, @service: what it is about, or NULL. */
__attribute__((format(printf, 6, 7))) void
lint_add(struct lint *lint, enum lint_level level, const char *name,
         const struct auth_policy *policy, const struct service *service, const char *format, ...);

#endif
