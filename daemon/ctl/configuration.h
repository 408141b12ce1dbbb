/* The configuration of the daemon, for commands that work without the daemon. */
#ifndef CTL_CONFIGURATION_H
#define CTL_CONFIGURATION_H

#include "config/config.h"

/*
 * Loads the configuration in @directory. The caller drops the reference. Returns NULL after
 * printing the errors; the exit code is EXIT_CODE_CONFIG.
 */
const struct config *ctl_load_config(const char *command, const char *directory);

#endif
