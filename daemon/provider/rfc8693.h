/* Token exchange with any server (RFC 8693): shared by the two halves of the provider. */
#ifndef PROVIDER_RFC8693_H
#define PROVIDER_RFC8693_H

#include "provider/provider.h"

#define RFC8693_LIFETIME_S 300 /* default of Lifetime= */

enum rfc8693_setting {
    RFC8693_TOKEN_URL,
    RFC8693_RESOURCE,
    RFC8693_AUDIENCE,
    RFC8693_SCOPE,
    RFC8693_REQUESTED_TOKEN_TYPE,
    RFC8693_SUBJECT_TOKEN_TYPE,
    RFC8693_CLIENT_ID,
    RFC8693_CLIENT_SECRET_FILE,
    RFC8693_CLIENT_AUTHENTICATION,
    RFC8693_PARAMETERS,
    RFC8693_LIFETIME,
    RFC8693_VARIABLE,
};

/* Returns the variable for the token: EnvironmentVariable=, or "ACCESS_TOKEN". */
const char *rfc8693_variable(const struct provider_values *values);

/* Returns whether the client's secret is sent in the body: ClientAuthentication=. */
bool rfc8693_posts_secret(const struct provider_values *values);

/*
 * Returns the URN of a token type that is a URN already, or one of the short names "access_token",
 * "id_token", "refresh_token", "jwt", "saml1" and "saml2"; or NULL.
 */
const char *rfc8693_token_type(const char *name);

#endif
