/* The commands: each is described by a table row of its own file, and listed in main.c. */
#ifndef COMMAND_COMMANDS_H
#define COMMAND_COMMANDS_H

#include "command/options.h"

struct command {
    const char *name;
    const char *arguments; /* "[SERVICE]"; "" if it takes none */
    const char *summary;   /* a line of podlogin --help */
    const char *details;   /* further lines of its own --help, each with a newline */
    unsigned takes;        /* the options that it takes: a bit OPTION_BIT() for each */

    /* Gets the arguments that are not options, and returns the exit code. */
    int (*run)(const struct options *options, int argc, char **argv);
};

extern const struct command command_token, command_exec, command_env, command_login, command_whoami,
    command_wait, command_install, command_aws, command_aws_endpoint, command_kube;

/* The program under another name, for git and docker: helper.h. */
extern const struct command helper_git_credential, helper_docker_credential;

#endif
