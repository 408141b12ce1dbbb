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
 * The token in a file, or on standard input for NULL, without the newline that may end it. NULL: a
 * sentence has been said. It is longer than any that is accepted if it does not fit.
 */
struct secret *ctl_token(const char *command, const char *path);

/* What the process needs before it touches tokens and keys. False: a sentence has been said. */
int ctl_harden(const char *command);

#endif
