/* Starts a program of the administrator, in a session and an environment of its own. */
#ifndef EXCHANGER_PROGRAM_H
#define EXCHANGER_PROGRAM_H

#include <sys/types.h>

#include "provider/provider.h"

struct program {
    pid_t pid;
    int input, output,
        error; /* the other ends of its standard descriptors; do not block; -1: closed */
};

/*
 * Starts the program of the provider exec that @values describe. No shell has a part in it.
 *
 * @ret_program: on success only; the caller closes its descriptors and reaps it.
 *
 * Returns 0; or -errno, also if it cannot be executed.
 */
int program_start(const struct provider_values *values, struct program *ret_program);

#endif
