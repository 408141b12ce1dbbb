/* Files that hold one token, such as the daemon's own, which kubelet renews. */
#ifndef IDENTITY_TOKEN_FILE_H
#define IDENTITY_TOKEN_FILE_H

#include "base/secret.h"

/*
 * Reads the token that is in the file now, without white space at the end; the caller frees it.
 * Returns 0; -ENODATA if there is none; -EFBIG if it is longer than a token can be; or -errno as
 * file_read_secret() does.
 */
int token_file_read(const char *path, struct secret **ret_token);

#endif
