/* Functions that the commands of podloginctl share. */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include <stdarg.h>

#include "base/secret.h"
#include "protocol/status.h"

/* The commands. argv[0] is the command's name. They return the exit code. */
int ctl_verify(int argc, char **argv);
int ctl_explain(int argc, char **argv);
int ctl_doctor(int argc, char **argv);
int ctl_issuer(int argc, char **argv);
int ctl_status(int argc, char **argv);
int ctl_cache(int argc, char **argv);
int ctl_metrics(int argc, char **argv);
int ctl_reload(int argc, char **argv);
int ctl_check_config(int argc, char **argv);

/* Prints "podloginctl COMMAND: " and a message on standard error. Returns @code. */
__attribute__((format(printf, 3, 4))) int ctl_fail(enum exit_code code, const char *command,
                                                   const char *format, ...);

/*
 * Reads a file, or standard input if @path is NULL, of at most @max bytes. Blocks while a pipe is
 * empty. The caller frees the content. Returns NULL after printing the error.
 */
struct secret *ctl_read(const char *command, const char *path, size_t max);

/* Reads a token like ctl_read(), without a newline at the end. */
struct secret *ctl_token(const char *command, const char *path);

#endif
