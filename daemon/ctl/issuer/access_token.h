/* The access token of an administrator of an organization. */
#ifndef ISSUER_ACCESS_TOKEN_H
#define ISSUER_ACCESS_TOKEN_H

#include "base/secret.h"

#define ACCESS_TOKEN_VARIABLE "PULUMI_ACCESS_TOKEN"

/*
 * Reads the token from the file at @path; NULL: from the variable, whose value is wiped. Warns of a
 * file that others can read.
 *
 * @organization: for the error.
 *
 * Returns the token, which the caller frees; or NULL after an error was printed.
 */
struct secret *access_token_read(const char *path, const char *organization);

#endif
