/* podlogind --check-sandbox: tries in each sandbox what must fail. */
#ifndef SANDBOX_CHECK_H
#define SANDBOX_CHECK_H

#include "config/config.h"

/*
 * Confines one child process after the other as each of the programs does, has it try, and prints a
 * line for each attempt.
 *
 * @directory: of the configuration.
 *
 * Returns EXIT_CODE_OK if all attempts are refused, or EXIT_CODE_FAULT.
 */
int sandbox_check(const char *directory, const struct config *config);

#endif
