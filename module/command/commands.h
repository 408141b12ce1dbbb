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

/* Each may be left out of the program (meson_options.txt), and then is NULL in the table. */
#define MAY_BE_LEFT_OUT __attribute__((weak))
extern const struct command command_token MAY_BE_LEFT_OUT, command_exec MAY_BE_LEFT_OUT,
    command_env MAY_BE_LEFT_OUT, command_login MAY_BE_LEFT_OUT, command_whoami MAY_BE_LEFT_OUT,
    command_wait MAY_BE_LEFT_OUT, command_install MAY_BE_LEFT_OUT, command_aws MAY_BE_LEFT_OUT,
    command_aws_endpoint MAY_BE_LEFT_OUT, command_kube MAY_BE_LEFT_OUT;

/* The program under another name, for git and docker: helper.h. */
extern const struct command helper_git_credential MAY_BE_LEFT_OUT,
    helper_docker_credential MAY_BE_LEFT_OUT;

#endif
