/* The commands. Each gets the arguments that are not options, and returns the exit code. */
#ifndef COMMAND_COMMANDS_H
#define COMMAND_COMMANDS_H

#include "command/options.h"

int command_token(const struct options *options, int argc, char **argv);
int command_exec(const struct options *options, int argc, char **argv);
int command_whoami(const struct options *options, int argc, char **argv);
int command_install(const struct options *options, int argc, char **argv);
int command_wait(const struct options *options, int argc, char **argv);

#endif
