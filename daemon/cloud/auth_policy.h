/*
 * Authorization policies of Pulumi Cloud: which JWTs of an issuer may be exchanged for which token.
 * They are read from the REST interface, or derived from the rules of services: both are written in
 * the same language.
 */
#ifndef CLOUD_AUTH_POLICY_H
#define CLOUD_AUTH_POLICY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "cloud/site.h"
#include "policy/examine.h"

#define AUTH_POLICY_TITLE_SIZE 512
#define AUTH_POLICY_ERROR_SIZE 512

/* A rule that cannot match, or that Kubernetes' tokens do not match (policy/examine.h). */
struct rule_remark {
    enum rule_state state;
    char text[RULE_REASON_MAX];
};

struct auth_policy {
    json_t *source; /* as it was read */
    json_t *json;   /* normalized, so that two that mean the same are equal */
    char *problem;  /* why it is not understood, and nothing else is known of it; NULL: it is */
    bool is_deny;
    bool permits_admin;
    const char *token_type;    /* of json; "" with a problem */
    const char *target;        /* the user, team or runner, of json; NULL: none */
    struct policy rules;       /* one section */
    struct rule_remark remark; /* about the first rule that has one */

    /* Of a derived policy: the section that it says. */
    const struct service *service;
    const struct rule_section *section;
};

struct auth_policies {
    struct auth_policy *list;
    size_t n;
};

/*
 * Reads an array of policies, as the REST interface has them. One that is not understood, of a kind
 * that did not exist when this was written, has a problem.
 *
 * @ret_policies: released with auth_policies_done(), in each case.
 *
 * Returns 0; or -EINVAL or -ENOMEM, with a sentence in @ret_error.
 */
int auth_policies_read(const json_t *array, struct auth_policies *ret_policies,
                       char ret_error[AUTH_POLICY_ERROR_SIZE]);

/*
 * Derives the policies that say what the [Allow] and [Deny] sections of the site's services say.
 * Those of an [Allow] also demand the audience of the service. Those of a [Deny] do not: whether
 * Pulumi Cloud compares an array with a pattern is not documented, and a policy that never matches
 * must not be one that denies.
 *
 * Parameters and result are those of auth_policies_read().
 */
int auth_policies_derive(const struct site *site, struct auth_policies *ret_policies,
                         char ret_error[AUTH_POLICY_ERROR_SIZE]);

void auth_policies_done(struct auth_policies *policies);

static inline void auth_policies_donep(struct auth_policies *policies)
{
    auth_policies_done(policies);
}

/* Returns whether one of @policies means the same as @policy. */
bool auth_policies_have(const struct auth_policies *policies, const struct auth_policy *policy);

/* Returns its only section of rules, of which there may be none. */
const struct rule_section *auth_policy_rules(const struct auth_policy *policy);

/* Writes "allow personal ci-bot" into @buffer, cut to fit. Returns @buffer. */
const char *auth_policy_title(const struct auth_policy *policy,
                              char buffer[AUTH_POLICY_TITLE_SIZE]);

/*
 * The token that a service asks for: its type, as policies name it; its target, or NULL; and
 * whether it is an administrator's. Returns false if Scope= does not say what the target is.
 */
struct requested_token {
    const char *type;
    const char *target;
    bool is_admin;
};
bool service_requests(const struct service *service, struct requested_token *ret_token);

/* Returns whether the policy is about such tokens. */
bool auth_policy_applies(const struct auth_policy *policy, const struct requested_token *token);

#endif
