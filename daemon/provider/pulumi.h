/* Pulumi Cloud: shared by the two halves of the provider. */
#ifndef PROVIDER_PULUMI_H
#define PROVIDER_PULUMI_H

#include "provider/provider.h"

#define PULUMI_EXPIRATION_S 7200 /* default of Expiration= */

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

/*
 * A type of token. All but "organization" have a target: the setting that names the user, team or
 * runner that the token is for. The scope is then scope_prefix and the target.
 */
struct pulumi_token_type {
    const char *name; /* in TokenType= */
    const char *urn;  /* requested_token_type of the exchange */
    const char *scope_prefix;
    enum pulumi_setting target;
    bool has_target;
};

/* Returns the type that TokenType= names, by default "organization"; or NULL if it is unknown. */
const struct pulumi_token_type *pulumi_token_type(const struct provider_values *values);

/* Returns the URL of the API; valid as long as @values. */
const char *pulumi_api_url(const struct provider_values *values);

#endif
