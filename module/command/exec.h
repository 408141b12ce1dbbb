/* exec, for the command and for programs that it stands for. */
#ifndef COMMAND_EXEC_H
#define COMMAND_EXEC_H

#include <stdbool.h>

#include "command/options.h"

#define EXEC_STATUSES_MAX 8

/* Exit statuses by which a command says that the upstream rejects its token. */
struct exec_statuses {
    int status[EXEC_STATUSES_MAX];
    unsigned n;
};

/* Reads "3,77" or "none". Returns whether @text is valid. */
bool exec_parse_statuses(const char *text, struct exec_statuses *ret_statuses);

/*
 * Runs the command after "--" in @argv with the variables of the services before it.
 *
 * @statuses: unless an option or $PODLOGIN_REJECT_ON names others.
 *
 * Returns an exit code, if at all.
 */
int exec_run(const struct options *options, const struct exec_statuses *statuses, int argc,
             char **argv);

#endif
