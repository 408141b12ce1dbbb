/* The login of the auth method JWT (Vault: api-docs/auth/jwt). */
#ifndef STANDIN_VAULT_LOGIN_H
#define STANDIN_VAULT_LOGIN_H

#include <stdbool.h>

struct reply;
struct request;
struct standin;

/*
 * Answers a login at the auth method that is mounted as @mount, of the namespace @namespace, which
 * is "" for the root. Returns whether it gave a token.
 */
bool vault_login(struct standin *standin, const struct request *request, const char *mount,
                 const char *namespace, struct reply *reply);

#endif
