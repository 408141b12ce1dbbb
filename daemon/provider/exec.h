/* A program of the administrator: shared by the two halves of the provider, and by who runs it. */
#ifndef PROVIDER_EXEC_H
#define PROVIDER_EXEC_H

#include <stdint.h>

#include "provider/provider.h"

#define EXEC_ARGUMENTS_MAX 64 /* with the program's path */
#define EXEC_TIMEOUT_S     8  /* default of Timeout= */

enum exec_setting {
    EXEC_COMMAND,
    EXEC_TIMEOUT,
    EXEC_ENVIRONMENT_VARIABLE,
    EXEC_VARIABLES,
    EXEC_READ_PATHS,
    EXEC_READ_WRITE_PATHS,
};

/* Returns the variable of the token. */
const char *exec_token_variable(const struct provider_values *values);

/* Returns how long the program may run; of values that were not checked, the default. */
uint64_t exec_timeout_s(const struct provider_values *values);

#endif
