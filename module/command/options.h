/* The options of all commands. */
#ifndef COMMAND_OPTIONS_H
#define COMMAND_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "text/text.h"

enum option_id {
    OPTION_SERVICE,
    OPTION_MIN_TTL,
    OPTION_TIMEOUT,
    OPTION_SOCKET,
    OPTION_TOKEN_FILE,
    OPTION_HOSTS,
    OPTION_USERNAME,
    OPTION_JSON,
    OPTION_REJECTED,
    OPTION_REJECT_ON,
    OPTION_FORMAT,
    OPTION_KEEP_FRESH,
    OPTION_READY_FILE,
    OPTION_VERBOSE,
    OPTION_HELP,
    OPTION_VERSION,
    OPTIONS,
};

#define OPTION_BIT(id) (1u << (id))

/* Sets of options: of commands that ask the daemon, and of those that ask it for a token. */
#define TAKES_CONNECTION                                                                           \
    (OPTION_BIT(OPTION_TIMEOUT) | OPTION_BIT(OPTION_SOCKET) | OPTION_BIT(OPTION_TOKEN_FILE))
#define TAKES_TOKEN                                                                                \
    (TAKES_CONNECTION | OPTION_BIT(OPTION_SERVICE) | OPTION_BIT(OPTION_MIN_TTL) |                  \
     OPTION_BIT(OPTION_VERBOSE))

struct options {
    unsigned given;      /* a bit for each option */
    const char *service; /* NULL: not given; so are the strings below */
    const char *socket;
    const char *token_file;
    const char *reject_on;
    const char *format;
    const char *ready_file;
    const char *hosts; /* with commas between them */
    const char *username;
    uint32_t min_ttl_s;
    uint32_t timeout_ms; /* 0: the default of the library */
};

/* Returns whether the option was given. */
static inline bool option_is_given(const struct options *options, enum option_id id)
{
    return options->given & OPTION_BIT(id);
}

/*
 * Reads the options and removes them from @argv. They may be anywhere before "--", which begins the
 * command of exec. @argc and @argv then hold the subcommand, its arguments, and "--" and all that
 * follows it.
 *
 * Returns -1 to go on, or an exit code to exit with now, after an error, which has been printed.
 */
int options_parse(int *argc, char **argv, struct options *options);

/* Returns -1 if all given options are among @takes, or prints an error: EXIT_CODE_USAGE. */
int options_check(const struct options *options, unsigned takes);

/* Appends a line of help for each option of @takes, and for --help. */
void options_describe(unsigned takes, struct text *text);

#endif
