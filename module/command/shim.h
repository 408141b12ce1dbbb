/* The command under the name of another program: that program, with the variables of a service. */
#ifndef COMMAND_SHIM_H
#define COMMAND_SHIM_H

#include <stdbool.h>

/* Returns the last part of @path. */
const char *shim_name(const char *path);

/* Returns whether a program that is called @name is a shim: all names but podlogin and podlogin-*.
 */
bool shim_is(const char *name);

/*
 * Executes the next program called @name on PATH. The directories that lead to this program leave
 * PATH, so that nothing that the other program calls comes back here.
 *
 * Returns an exit code, on failure only.
 */
int shim_run(const char *name, int argc, char **argv);

#endif
