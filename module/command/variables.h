/* The environment that a program needs to use a token. */
#ifndef COMMAND_VARIABLES_H
#define COMMAND_VARIABLES_H

#include "library/podlogin.h"

struct variables {
    /* Sets a variable, or removes it if @value is NULL. Returns an exit code. */
    int (*change)(void *context, const char *name, const char *value);
    void *context;
};

/*
 * Passes each change to @variables: first the names that must not be set, then the variables of
 * @token, then the one with the path of its private directory, which is made and filled.
 *
 * Returns EXIT_CODE_OK, or the first other exit code, after the error has been printed.
 */
int variables_of(const struct podlogin_token *token, const struct variables *variables);

/* Changes the environment of this process: a change() for the programs that it executes. */
int variables_put(void *context, const char *name, const char *value);

#endif
