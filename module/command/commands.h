/* The commands. Each gets the arguments that are not options, and returns the exit code. */
#ifndef COMMANDS_H
#define COMMANDS_H

#include "command/options.h"

int command_token(const struct options *options, int argc, char **argv);
int command_exec(const struct options *options, int argc, char **argv);
int command_whoami(const struct options *options, int argc, char **argv);
int command_wait(const struct options *options, int argc, char **argv);

#endif
