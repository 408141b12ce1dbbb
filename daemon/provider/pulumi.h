/* Pulumi Cloud: what both halves of the provider know. */
#ifndef PULUMI_H
#define PULUMI_H

#include "provider/provider.h"

#define PULUMI_EXPIRATION_S 7200 /* unless Expiration= is set */

enum pulumi_setting {
    PULUMI_ORGANIZATION,
    PULUMI_TOKEN_TYPE,
    PULUMI_USER,
    PULUMI_TEAM,
    PULUMI_RUNNER,
    PULUMI_SCOPE,
    PULUMI_EXPIRATION,
    PULUMI_API_URL,
};

/* Each token type has one setting that names whom the token is for, and its prefix in the scope. */
struct pulumi_token_type {
    const char *name;
    const char *urn;
    const char *scope_prefix;
    enum pulumi_setting target;
    bool has_target;
};

/* The one of TokenType=; NULL: there is none of that name. */
const struct pulumi_token_type *pulumi_token_type(const struct provider_values *values);

#endif
