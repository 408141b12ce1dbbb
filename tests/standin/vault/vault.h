/*
 * Vault, and OpenBao, which answers alike: the login of the auth method JWT, and what a token says
 * about itself.
 */
#ifndef STANDIN_VAULT_H
#define STANDIN_VAULT_H

#include "standin/upstream.h"

#define VAULT_KIND "vault"

extern const struct upstream_kind vault_kind;

#endif
