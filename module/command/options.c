/* Reads the options from a table: getopt() would bring stdio into the static command. */
#include "command/options.h"

#include <string.h>

#include "command/print.h"
#include "protocol/messages.h"
#include "text/time_span.h"

static const char help[] =
    "podlogin COMMAND [OPTIONS] [SERVICE]\n\n"
    "Get a short-lived access token for this pod from podlogind on the node.\n\n"
    "  token [SERVICE]                 print the token and nothing else\n"
    "  exec [SERVICE]... -- COMMAND... run COMMAND with the variables of the services\n"
    "  whoami                          print the identity of this pod\n"
    "  wait                            wait until the daemon answers\n"
    "  install DIR [NAME]...           copy itself into DIR, with a link for each NAME\n\n"
    "Called by another name, such as pulumi, it runs the next program of that name on PATH, as "
    "exec.\n\n"
    "  --service NAME     the service (default: $PODLOGIN_SERVICE, or pulumi)\n"
    "  --min-ttl SPAN     the remaining lifetime that the token should have, such as 90min\n"
    "  --timeout SPAN     the time limit for everything (default: 10s; at most 60s)\n"
    "  --socket PATH      the daemon's socket (default: " PODLOGIN_SOCKET_PATH ")\n"
    "  --token-file PATH  the file of the service-account token\n"
    "  --json             token, whoami: print a JSON object\n"
    "  --verbose          print to standard error where the token came from\n"
    "  --help, -h; --version\n\n"
    "Exit codes: 0; 64 usage; 69 no daemon; 70 internal error; 75 try again; 77 refused;\n"
    "78 configuration. exec exits with the exit status of COMMAND. See podlogin(1).\n";

enum option_id {
    SERVICE,
    MIN_TTL,
    TIMEOUT,
    SOCKET,
    TOKEN_FILE,
    JSON,
    VERBOSE,
    HELP,
    VERSION
};

static const struct option {
    const char *name;
    bool has_value;
} option_table[] = {
    [SERVICE] = {"service", true},       [MIN_TTL] = {"min-ttl", true},
    [TIMEOUT] = {"timeout", true},       [SOCKET] = {"socket", true},
    [TOKEN_FILE] = {"token-file", true}, [JSON] = {"json", false},
    [VERBOSE] = {"verbose", false},      [HELP] = {"help", false},
    [VERSION] = {"version", false},
};

#define OPTIONS (sizeof(option_table) / sizeof(option_table[0]))

/* Returns as options_parse(). */
static int set_option(struct options *options, enum option_id id, const char *value)
{
    uint64_t ms;

    switch (id) {
    case SERVICE:
        options->service = value;
        break;
    case SOCKET:
        options->socket = value;
        break;
    case TOKEN_FILE:
        options->token_file = value;
        break;
    case JSON:
        options->is_json = true;
        break;
    case VERBOSE:
        options->is_verbose = true;
        break;
    case MIN_TTL:
        if (time_span_parse(value, PODLOGIN_MIN_TTL_MAX_S * UINT64_C(1000), &ms) < 0)
            return usage("--min-ttl needs a time span of at most 7d, such as 90min", value);
        options->min_ttl_s = (uint32_t)(ms / 1000);
        options->has_min_ttl = true;
        break;
    case TIMEOUT:
        if (time_span_parse(value, PODLOGIN_TIMEOUT_MAX_MS, &ms) < 0 || ms == 0)
            return usage("--timeout needs a time span of at most 60s, such as 10s", value);
        options->timeout_ms = (uint32_t)ms;
        break;
    case HELP:
        return print(help);
    case VERSION:
        return print("podlogin " PODLOGIN_VERSION "\n");
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
        return print(help);
    for (unsigned id = 0; argv[*i][1] == '-' && id < OPTIONS; id++) {
        const struct option *option = &option_table[id];

        if (strlen(option->name) != len || memcmp(option->name, name, len) != 0)
            continue;
        if (!option->has_value && equals)
            return usage("the option takes no value", argv[*i]);
        if (!option->has_value)
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
    if (n > 0 && strcmp(argv[0], "help") == 0)
        return print(help);
    while (i < *argc)
        argv[n++] = argv[i++];
    argv[n] = NULL; /* execvp() needs it */
    *argc = n;
    return -1;
}
