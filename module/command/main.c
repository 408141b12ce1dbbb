/* podlogin, the command in the container: finds the subcommand and runs it, or is a shim. */
#include <string.h>

#include "command/commands.h"
#include "command/print.h"
#include "command/shim.h"

static const struct command {
    const char *name;
    int (*run)(const struct options *options, int argc, char **argv);
} commands[] = {
    {"token", command_token}, {"exec", command_exec},       {"whoami", command_whoami},
    {"wait", command_wait},   {"install", command_install},
};

int main(int argc, char **argv)
{
    struct options options = {0};
    const char *name = argc > 0 ? shim_name(argv[0]) : "";
    int code;

    if (shim_is(name))
        return shim_run(name, argc, argv);
    code = options_parse(&argc, argv, &options);
    if (code >= 0)
        return code;
    if (argc == 0 || strcmp(argv[0], "--") == 0)
        return usage("a command is missing", NULL);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(commands[i].name, argv[0]) == 0)
            return commands[i].run(&options, argc - 1, argv + 1);
    return usage("not a command", argv[0]);
}
