/* The options of all commands. */
#ifndef COMMAND_OPTIONS_H
#define COMMAND_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct options {
    const char *service; /* NULL: not given; so are the strings below */
    const char *socket;
    const char *token_file;
    uint32_t min_ttl_s;
    bool has_min_ttl;
    uint32_t timeout_ms; /* 0: the default of the library */
    bool is_json;
    bool is_verbose;
};

/*
 * Reads the options and removes them from @argv. They may be anywhere before "--", which begins the
 * command of exec. @argc and @argv then hold the subcommand, its services, and "--" and all that
 * follows it.
 *
 * Returns -1 to go on, or an exit code to exit with now (after --help, --version or an error, which
 * has been printed).
 */
int options_parse(int *argc, char **argv, struct options *options);

#endif
