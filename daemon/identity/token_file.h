/* A service-account token of the daemon's own, in a file that kubelet renews. */
#ifndef TOKEN_FILE_H
#define TOKEN_FILE_H

#include "base/secret.h"

/* Read anew each time, without the newline that may end it. NULL with errno. */
struct secret *token_file_read(const char *path);

#endif
