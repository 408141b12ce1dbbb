#include "ctl/options.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"

#define OPTIONS_MAX 16

int ctl_set_text(const char *command, const char *value, void *target)
{
    (void)command;
    *(const char **)target = value;
    return 0;
}

int ctl_set_flag(const char *command, const char *value, void *target)
{
    (void)command;
    (void)value;
    *(bool *)target = true;
    return 0;
}

static int print_help(const struct ctl_usage *usage, const struct ctl_option *options)
{
    printf("%s\n\n", usage->summary);
    for (; options->name; options++)
        printf("  --%s\n", options->help);
    printf("  --help, -h          print this help\n");
    return EXIT_CODE_OK;
}

static size_t table_of(const struct ctl_option *options, struct option *table)
{
    size_t n = 0;

    for (; options[n].name && n < OPTIONS_MAX; n++)
        table[n] = (struct option){
            .name = options[n].name,
            .has_arg = options[n].set == ctl_set_flag ? no_argument : required_argument,
            .val = (int)n,
        };
    table[n] = (struct option){.name = "help", .has_arg = no_argument, .val = (int)n};
    return n;
}

int ctl_read_options(int argc, char **argv, const struct ctl_usage *usage,
                     const struct ctl_option *options)
{
    struct option table[OPTIONS_MAX + 2] = {{0}};
    size_t n = table_of(options, table);
    char program[64];
    int which;

    snprintf(program, sizeof(program), "podloginctl %s", usage->command);
    argv[0] = program; /* getopt_long() begins its errors with it */
    while ((which = getopt_long(argc, argv, "h", table, NULL)) != -1) {
        int code;

        if (which == (int)n || which == 'h')
            return print_help(usage, options);
        if (which < 0 || (size_t)which > n)
            return EXIT_CODE_USAGE; /* getopt_long() has printed the error */
        code = options[which].set(usage->command, optarg, options[which].target);
        if (code)
            return code;
    }
    if (optind < argc && usage->argument)
        *usage->argument = argv[optind++];
    if (optind < argc && !usage->input)
        return ctl_fail(EXIT_CODE_USAGE, usage->command, "unexpected argument %s; see --help",
                        argv[optind]);
    if (optind < argc) /* the argument is not printed, because it may be the token */
        return ctl_fail(EXIT_CODE_USAGE, usage->command,
                        "unexpected argument; the token is read from %s; see --help", usage->input);
    return -1;
}
