/* A service-account token of the daemon's own, in a file that kubelet renews. */
#ifndef TOKEN_FILE_H
#define TOKEN_FILE_H

#include "base/secret.h"

/*
 * Reads the token that is in the file now, without the newline that may end it; the caller frees
 * it. Returns 0 or -errno, as file_read_secret().
 */
int token_file_read(const char *path, struct secret **ret_token);

#endif
