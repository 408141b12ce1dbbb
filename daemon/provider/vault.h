/* Vault and OpenBao, JWT authentication: shared by the two halves of the provider. */
#ifndef PROVIDER_VAULT_H
#define PROVIDER_VAULT_H

#include "provider/provider.h"

enum vault_setting {
    VAULT_ADDRESS,
    VAULT_MOUNT,
    VAULT_ROLE,
    VAULT_NAMESPACE,
};

#endif
