/*
 * What Pulumi Cloud adds to RFC 8693 (Pulumi Cloud REST API, "OAuth Token Exchange"): its token
 * types and their scopes, organizations as audiences, the parameter `expiration`, and the
 * organization's authorization policies.
 */
#ifndef STANDIN_PULUMI_RULES_H
#define STANDIN_PULUMI_RULES_H

#include "standin/exchange.h"

extern const struct exchange_rules pulumi_rules;

struct token_type;

struct pulumi_token {
    const char *subject;
    const char *organization;
    const struct token_type *type;
    const char *scope;
    bool is_admin;         /* may administer the organization */
    json_int_t lifetime_s; /* as tokens_lifetime() returned it, at most */
};

/* Issues a token. Returns its value, which @standin owns. The caller holds the lock. */
const char *pulumi_issue(struct standin *standin, const struct pulumi_token *token);

#endif
