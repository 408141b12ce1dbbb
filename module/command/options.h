/* The options of all commands. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct options {
    const char *service; /* --service; NULL */
    const char *socket;
    const char *token_file;
    uint32_t min_ttl_s;
    bool has_min_ttl;
    uint32_t timeout_ms; /* 0: the library's */
    bool is_json;
    bool is_verbose;
};

/*
 * Takes the options out of @argv. They stand anywhere before a "--", which begins exec's command.
 * @argc and @argv then hold the command, its services, and "--" and what follows it unchanged.
 *
 * Returns an exit code with which to end now (--help, or an error that has been printed), or -1.
 */
int options_parse(int *argc, char **argv, struct options *options);

#endif
