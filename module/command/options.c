/* Reads the options from a table: getopt() would bring stdio into the static command. */
#include "command/options.h"

#include <string.h>

#include "command/print.h"
#include "protocol/messages.h"
#include "text/time_span.h"

#define VALUE_COLUMN 24 /* of the help */

static const struct option {
    const char *name;
    const char *value; /* how the help calls the value; NULL: it takes none */
    const char *help;
} table[OPTIONS] = {
    [OPTION_SERVICE] = {"service", "NAME", "the service, if no argument names one"},
    [OPTION_MIN_TTL] = {"min-ttl", "SPAN",
                        "the remaining lifetime that the token should have, such as 90min"},
    [OPTION_TIMEOUT] = {"timeout", "SPAN",
                        "the time limit for everything (default: 10s; at most 60s)"},
    [OPTION_SOCKET] = {"socket", "PATH", "the daemon's socket (default: " PODLOGIN_SOCKET_PATH ")"},
    [OPTION_TOKEN_FILE] = {"token-file", "PATH", "the file of the service-account token"},
    [OPTION_HOSTS] = {"hosts", "NAME,...", "the servers that may have the token, with their ports"},
    [OPTION_USERNAME] = {"username", "NAME", "the user name beside it (default: x-access-token)"},
    [OPTION_JSON] = {"json", NULL, "print a JSON object"},
    [OPTION_REJECTED] = {"rejected", NULL,
                         "get another token than the one on standard input, or in the variable"},
    [OPTION_REJECT_ON] = {"reject-on", "STATUSES",
                          "exit statuses of COMMAND that mean a rejected token, such as 3,77"},
    [OPTION_FORMAT] = {"format", "FORMAT", "sh (the default), dotenv or json"},
    [OPTION_KEEP_FRESH] = {"keep-fresh", NULL, "stay, and write each new token"},
    [OPTION_READY_FILE] = {"ready-file", "PATH", "a file to make when the token is there"},
    [OPTION_VERBOSE] = {"verbose", NULL, "print to standard error where the token came from"},
    [OPTION_HELP] = {"help", NULL, "print this help; also -h"},
    [OPTION_VERSION] = {"version", NULL, "print the version"},
};

/* Returns -1, or an exit code. */
static int set_min_ttl(const char *value, struct options *options)
{
    uint64_t ms;

    if (time_span_parse(value, PODLOGIN_MIN_TTL_MAX_S * UINT64_C(1000), &ms) < 0)
        return usage("--min-ttl needs a time span of at most 7d, such as 90min", value);
    options->min_ttl_s = (uint32_t)(ms / 1000);
    return -1;
}

static int set_timeout(const char *value, struct options *options)
{
    uint64_t ms;

    if (time_span_parse(value, PODLOGIN_TIMEOUT_MAX_MS, &ms) < 0 || ms == 0)
        return usage("--timeout needs a time span of at most 60s, such as 10s", value);
    options->timeout_ms = (uint32_t)ms;
    return -1;
}

static int set_option(struct options *options, enum option_id id, const char *value)
{
    options->given |= OPTION_BIT(id);
    switch (id) {
    case OPTION_SERVICE:
        options->service = value;
        break;
    case OPTION_SOCKET:
        options->socket = value;
        break;
    case OPTION_TOKEN_FILE:
        options->token_file = value;
        break;
    case OPTION_REJECT_ON:
        options->reject_on = value;
        break;
    case OPTION_FORMAT:
        options->format = value;
        break;
    case OPTION_HOSTS:
        options->hosts = value;
        break;
    case OPTION_USERNAME:
        options->username = value;
        break;
    case OPTION_MIN_TTL:
        return set_min_ttl(value, options);
    case OPTION_TIMEOUT:
        return set_timeout(value, options);
    case OPTION_READY_FILE:
        options->ready_file = value;
        break;
    case OPTION_KEEP_FRESH:
    case OPTION_JSON:
    case OPTION_REJECTED:
    case OPTION_VERBOSE:
    case OPTION_HELP:
    case OPTION_VERSION:
    case OPTIONS:
        break;
    }
    return -1;
}

/*
 * Reads --name, --name=VALUE or --name VALUE at argv[*i], and moves *i to the last argument that it
 * has read. Returns as options_parse().
 */
static int parse_option(int argc, char **argv, int *i, struct options *options)
{
    const char *name = argv[*i][1] ? argv[*i] + 2 : "", *equals = strchr(name, '=');
    size_t len = equals ? (size_t)(equals - name) : strlen(name);

    if (strcmp(argv[*i], "-h") == 0)
        return set_option(options, OPTION_HELP, NULL);
    for (unsigned id = 0; argv[*i][1] == '-' && id < OPTIONS; id++) {
        const struct option *option = &table[id];

        if (strlen(option->name) != len || memcmp(option->name, name, len) != 0)
            continue;
        if (!option->value && equals)
            return usage("the option takes no value", argv[*i]);
        if (!option->value)
            return set_option(options, id, NULL);
        if (equals)
            return set_option(options, id, equals + 1);
        if (*i + 1 >= argc)
            return usage("the option needs a value", argv[*i]);
        return set_option(options, id, argv[++*i]);
    }
    return usage("not an option", argv[*i]);
}

int options_parse(int *argc, char **argv, struct options *options)
{
    int n = 0, i, code;

    for (i = 1; i < *argc && strcmp(argv[i], "--") != 0; i++) {
        if (argv[i][0] != '-') {
            argv[n++] = argv[i];
            continue;
        }
        code = parse_option(*argc, argv, &i, options);
        if (code >= 0)
            return code;
    }
    while (i < *argc)
        argv[n++] = argv[i++];
    argv[n] = NULL; /* execvp() needs it */
    *argc = n;
    return -1;
}

int options_check(const struct options *options, unsigned takes)
{
    char name[32];
    struct text text = text_in(name, sizeof(name));
    unsigned wrong = options->given & ~takes;

    if (!wrong)
        return -1;
    text_add(&text, "--", table[__builtin_ctz(wrong)].name, NULL);
    return usage("this command does not take the option", name);
}

void options_describe(unsigned takes, struct text *text)
{
    takes |= OPTION_BIT(OPTION_HELP);
    for (unsigned id = 0; id < OPTIONS; id++) {
        const struct option *option = &table[id];
        const char *value = option->value ? option->value : "";

        if (!(takes & OPTION_BIT(id)))
            continue;
        text_add(text, "  --", option->name, *value ? " " : "", value, NULL);
        for (size_t len = 4 + strlen(option->name) + !!*value + strlen(value); len < VALUE_COLUMN;
             len++)
            text_add(text, " ", NULL);
        text_add(text, option->help, "\n", NULL);
    }
}
