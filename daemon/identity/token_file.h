/* The daemon's own service-account tokens, in files that kubelet renews. */
#ifndef IDENTITY_TOKEN_FILE_H
#define IDENTITY_TOKEN_FILE_H

#include "base/secret.h"

/*
 * Reads the token that is in the file now, without a newline at the end; the caller frees it.
 * Returns 0 or -errno as file_read_secret() does: -EFBIG if it is longer than a token can be.
 */
int token_file_read(const char *path, struct secret **ret_token);

#endif
