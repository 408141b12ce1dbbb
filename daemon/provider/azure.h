/* Microsoft Entra ID: shared by the two halves of the provider. */
#ifndef PROVIDER_AZURE_H
#define PROVIDER_AZURE_H

#include "provider/provider.h"

enum azure_setting {
    AZURE_TENANT,
    AZURE_CLIENT_ID,
    AZURE_SCOPE,
    AZURE_ENDPOINT,
    AZURE_VARIABLE,
};

/* Returns the variable for the token: EnvironmentVariable=, or "AZURE_ACCESS_TOKEN". */
const char *azure_variable(const struct provider_values *values);

/* Returns the URL of the tenant, without a slash at its end, which the caller frees; NULL: no
 * memory. */
char *azure_tenant_url(const struct provider_values *values);

#endif
