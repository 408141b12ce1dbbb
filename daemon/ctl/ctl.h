/* podloginctl: what its commands share. */
#ifndef CTL_H
#define CTL_H

#include <stdarg.h>

#include "base/secret.h"
#include "protocol/status.h"

/* A command gets its own arguments, from its name on, and returns the exit code. */
int ctl_verify(int argc, char **argv);
int ctl_explain(int argc, char **argv);

/* "podloginctl COMMAND: ..." on standard error. Returns @code. */
__attribute__((format(printf, 3, 4))) int ctl_fail(enum exit_code code, const char *command,
                                                   const char *format, ...);

/*
 * Reads a file, or standard input for NULL, of at most @max bytes; the caller frees it. It waits
 * for pipes. NULL: the reason has been said.
 */
struct secret *ctl_read(const char *command, const char *path, size_t max);

/* The same for a token, without the newline that may end it. */
struct secret *ctl_token(const char *command, const char *path);

/* What the process needs before it touches tokens and keys. Returns an exit code. */
int ctl_harden(const char *command);

#endif
