/* podlogin: the command in the container. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "messages.h"
#include "podlogin.h"
#include "status.h"
#include "time_span.h"

#define SERVICES_MAX 16

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

static void print_help(void)
{
    fputs("podlogin COMMAND [OPTIONS] [SERVICE]\n\n"
          "Logs this pod in: asks the node's podlogind for a short-lived access token.\n\n"
          "  token [SERVICE]                 print the token, nothing else\n"
          "  exec [SERVICE]... -- COMMAND... run COMMAND with the services' variables set\n"
          "  whoami                          print who the daemon takes this pod for\n"
          "  wait                            return as soon as the daemon answers\n\n"
          "  --service NAME     the service ($PODLOGIN_SERVICE, else pulumi)\n"
          "  --min-ttl SPAN     the lifetime that the token should still have, such as 90min\n"
          "  --timeout SPAN     how long all of it may take (10s; 60s at most)\n"
          "  --socket PATH      the daemon's socket (" PODLOGIN_SOCKET_PATH ")\n"
          "  --token-file PATH  the service-account token\n"
          "  --json             token, whoami: a JSON object\n"
          "  --verbose          say on standard error what is done\n"
          "  --help, --version\n\n"
          "Exit codes: 0; 64 usage; 69 no daemon; 70 a fault of podlogin; 75 try again; 77 refused;\n"
          "78 configuration. exec ends as its child ends. See podlogin(1).\n",
          stdout);
}

static int usage(const char *problem, const char *what)
{
    fprintf(stderr, "podlogin: %s%s%s; see podlogin --help\n", what ? what : "", what ? ": " : "",
            problem);
    return EXIT_CODE_USAGE;
}

/* One line: what happened, why, what to do. */
static int report(const struct podlogin *login, const char *what, enum podlogin_status status)
{
    const struct status_info *info = status_info(status);

    fprintf(stderr, "podlogin: %s: %s: %s\n", what, info->name, podlogin_strerror(login, status));
    return info->exit_code;
}

static int open_login(const struct options *options, const char *service,
                      struct podlogin **ret_login)
{
    struct podlogin *login;
    enum podlogin_status status = podlogin_start(service, &login);

    if (status == PODLOGIN_BAD_ARGUMENT && service)
        return usage("not the name of a service, or a bad PODLOGIN_ variable", service);
    if (status == PODLOGIN_BAD_ARGUMENT)
        return usage("one of PODLOGIN_SERVICE, _SOCKET, _MIN_TTL and _TIMEOUT is not understood",
                     NULL);
    if (status != PODLOGIN_OK)
        return report(NULL, "start", status);
    if (options->socket)
        status = podlogin_set_socket(login, options->socket);
    if (status == PODLOGIN_OK && options->token_file)
        status = podlogin_set_token_file(login, options->token_file);
    if (status == PODLOGIN_OK && options->has_min_ttl)
        status = podlogin_set_min_ttl(login, options->min_ttl_s);
    if (status == PODLOGIN_OK && options->timeout_ms)
        status = podlogin_set_timeout(login, options->timeout_ms);
    if (status != PODLOGIN_OK) {
        podlogin_end(login);
        return usage("--socket or --token-file is empty or too long", NULL);
    }
    *ret_login = login;
    return EXIT_CODE_OK;
}

/* Strings of ours hold no control characters, so quote and backslash are all there is to escape. */
static void print_json(const char *before, const char *name, const char *value)
{
    printf("%s\"%s\":\"", before, name);
    for (; *value; value++) {
        if (*value == '"' || *value == '\\')
            putchar('\\');
        putchar(*value);
    }
    putchar('"');
}

static void time_text(int64_t time_s, char text[32])
{
    time_t seconds = (time_t)time_s;
    struct tm parts;

    if (!gmtime_r(&seconds, &parts) || !strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &parts))
        strcpy(text, "");
}

/* A pipe that was closed, or a full disk, must not look like success. */
static int finish_output(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return EXIT_CODE_OK;
    fprintf(stderr, "podlogin: standard output: %s\n", strerror(errno));
    return EXIT_CODE_FAULT;
}

static int fetch(const struct options *options, const char *service,
                 struct podlogin_token **ret_token, struct podlogin **ret_login)
{
    enum podlogin_status status;
    int code = open_login(options, service, ret_login);

    if (code)
        return code;
    status = podlogin_authenticate(*ret_login);
    if (status == PODLOGIN_OK)
        status = podlogin_get_token(*ret_login, ret_token);
    if (status != PODLOGIN_OK) {
        code = report(*ret_login, podlogin_service(*ret_login), status);
        podlogin_end(*ret_login);
        return code;
    }
    if (options->is_verbose)
        fprintf(stderr, "podlogin: %s: a token from %s, valid for %lld s\n",
                podlogin_service(*ret_login), podlogin_token_source(*ret_token),
                (long long)(podlogin_token_expires_at(*ret_token) - time(NULL)));
    return EXIT_CODE_OK;
}

static int command_token(const struct options *options, int argc, char **argv)
{
    struct podlogin_token *token;
    struct podlogin *login;
    char expires[32];
    int code;

    if (argc > 1)
        return usage("one service at most", argv[1]);
    code = fetch(options, argc ? argv[0] : options->service, &token, &login);
    if (code)
        return code;
    if (options->is_json) {
        time_text(podlogin_token_expires_at(token), expires);
        print_json("{", "service", podlogin_service(login));
        print_json(",", "token", podlogin_token_value(token));
        print_json(",", "token_type", podlogin_token_type(token));
        print_json(",", "expires_at", expires);
        print_json(",", "source", podlogin_token_source(token));
        fputs("}\n", stdout);
    } else {
        puts(podlogin_token_value(token));
    }
    podlogin_token_free(token);
    podlogin_end(login);
    return finish_output();
}

static int print_identity_json(const struct podlogin_identity *identity)
{
    char expires[32];
    const char *service;

    time_text(podlogin_identity_expires_at(identity), expires);
    print_json("{", "issuer", podlogin_identity_issuer(identity));
    print_json(",", "subject", podlogin_identity_subject(identity));
    print_json(",", "namespace", podlogin_identity_namespace(identity));
    print_json(",", "serviceaccount", podlogin_identity_serviceaccount(identity));
    print_json(",", "serviceaccount_uid", podlogin_identity_serviceaccount_uid(identity));
    print_json(",", "pod", podlogin_identity_pod(identity));
    print_json(",", "pod_uid", podlogin_identity_pod_uid(identity));
    print_json(",", "expires_at", expires);
    fputs(",\"services\":[", stdout);
    for (unsigned i = 0; (service = podlogin_identity_service_at(identity, i)); i++)
        printf("%s\"%s\"", i ? "," : "", service);
    fputs("]}\n", stdout);
    return finish_output();
}

static int print_identity(const struct podlogin_identity *identity)
{
    char expires[32];
    const char *service;

    time_text(podlogin_identity_expires_at(identity), expires);
    printf("issuer          %s\n", podlogin_identity_issuer(identity));
    printf("subject         %s\n", podlogin_identity_subject(identity));
    printf("namespace       %s\n", podlogin_identity_namespace(identity));
    printf("serviceaccount  %s (%s)\n", podlogin_identity_serviceaccount(identity),
           podlogin_identity_serviceaccount_uid(identity));
    if (*podlogin_identity_pod(identity))
        printf("pod             %s (%s)\n", podlogin_identity_pod(identity),
               podlogin_identity_pod_uid(identity));
    printf("expires         %s\n", expires);
    printf("services       ");
    for (unsigned i = 0; (service = podlogin_identity_service_at(identity, i)); i++)
        printf(" %s", service);
    putchar('\n');
    return finish_output();
}

static int command_whoami(const struct options *options, int argc, char **argv)
{
    struct podlogin_identity *identity;
    enum podlogin_status status;
    struct podlogin *login;
    int code;

    if (argc > 0)
        return usage("whoami takes no service", argv[0]);
    code = open_login(options, options->service, &login);
    if (code)
        return code;
    status = podlogin_whoami(login, &identity);
    if (status != PODLOGIN_OK) {
        code = report(login, "whoami", status);
    } else {
        code = options->is_json ? print_identity_json(identity) : print_identity(identity);
        podlogin_identity_free(identity);
    }
    podlogin_end(login);
    return code;
}

static int command_wait(const struct options *options, int argc, char **argv)
{
    enum podlogin_status status;
    struct podlogin *login;
    int code;

    if (argc > 0)
        return usage("wait takes no service", argv[0]);
    code = open_login(options, options->service, &login);
    if (code)
        return code;
    status = podlogin_ping(login);
    if (status != PODLOGIN_OK)
        code = report(login, "wait", status);
    podlogin_end(login);
    return code;
}

static int put_variable(const char *name, const char *value)
{
    if (*name && setenv(name, value, 1) == 0)
        return EXIT_CODE_OK;
    fprintf(stderr, "podlogin: %s: the variable cannot be set\n", name);
    return EXIT_CODE_FAULT;
}

static int put_variables(const struct options *options, const char *service)
{
    struct podlogin_token *token;
    struct podlogin *login;
    const char *attribute;
    int code = fetch(options, service, &token, &login);

    if (code)
        return code;
    if (*podlogin_token_variable(token))
        code = put_variable(podlogin_token_variable(token), podlogin_token_value(token));
    for (unsigned i = 0; !code && (attribute = podlogin_token_attribute_at(token, i)); i++) {
        char *copy = strdup(attribute), *equals = copy ? strchr(copy, '=') : NULL;

        if (equals) {
            *equals = '\0';
            code = put_variable(copy, equals + 1);
        }
        free(copy);
    }
    podlogin_token_free(token);
    podlogin_end(login);
    return code;
}

/* The child takes our place: signals, exit status and process id are its own. */
static int command_exec(const struct options *options, int argc, char **argv)
{
    int n = 0, code = EXIT_CODE_OK;

    while (n < argc && strcmp(argv[n], "--") != 0)
        n++;
    if (n >= argc - 1)
        return usage("exec takes -- and a command", NULL);
    if (n > SERVICES_MAX)
        return usage("16 services at most", NULL);
    if (n == 0)
        code = put_variables(options, options->service);
    for (int i = 0; i < n && !code; i++)
        code = put_variables(options, argv[i]);
    if (code)
        return code;
    execvp(argv[n + 1], argv + n + 1);
    code = errno == ENOENT ? 127 : 126;
    fprintf(stderr, "podlogin: %s: %s\n", argv[n + 1], strerror(errno));
    return code;
}

static const struct command {
    const char *name;
    int (*run)(const struct options *options, int argc, char **argv);
} commands[] = {
    {"token", command_token},
    {"exec", command_exec},
    {"whoami", command_whoami},
    {"wait", command_wait},
};

enum option_id { SERVICE = 1, MIN_TTL, TIMEOUT, SOCKET, TOKEN_FILE, JSON, VERBOSE, HELP, VERSION };

static int set_option(struct options *options, int id, const char *value)
{
    uint64_t ms;

    switch (id) {
    case SERVICE:
        options->service = value;
        return 0;
    case SOCKET:
        options->socket = value;
        return 0;
    case TOKEN_FILE:
        options->token_file = value;
        return 0;
    case JSON:
        options->is_json = true;
        return 0;
    case VERBOSE:
        options->is_verbose = true;
        return 0;
    case MIN_TTL:
        if (time_span_parse(value, PODLOGIN_MIN_TTL_MAX_S * UINT64_C(1000), &ms) < 0)
            return usage("--min-ttl is a time span of at most 7d, such as 90min", value);
        options->min_ttl_s = (uint32_t)(ms / 1000);
        options->has_min_ttl = true;
        return 0;
    case TIMEOUT:
        if (time_span_parse(value, PODLOGIN_TIMEOUT_MAX_MS, &ms) < 0 || ms == 0)
            return usage("--timeout is a time span of at most 60s, such as 10s", value);
        options->timeout_ms = (uint32_t)ms;
        return 0;
    default:
        return EXIT_CODE_USAGE;
    }
}

/*
 * The first argument is the command; options and services follow in any order, up to "--". Returns an
 * exit code, or -1: go on with *ret_argc arguments that are no options.
 */
static int parse_options(int argc, char **argv, struct options *options, int *ret_first)
{
    static const struct option table[] = {
        {"service", required_argument, NULL, SERVICE},
        {"min-ttl", required_argument, NULL, MIN_TTL},
        {"timeout", required_argument, NULL, TIMEOUT},
        {"socket", required_argument, NULL, SOCKET},
        {"token-file", required_argument, NULL, TOKEN_FILE},
        {"json", no_argument, NULL, JSON},
        {"verbose", no_argument, NULL, VERBOSE},
        {"help", no_argument, NULL, HELP},
        {"version", no_argument, NULL, VERSION},
        {0},
    };
    int id, code;

    opterr = 0;
    while ((id = getopt_long(argc, argv, ":", table, NULL)) != -1) {
        if (id == HELP || id == VERSION) {
            if (id == HELP)
                print_help();
            else
                puts("podlogin " PODLOGIN_VERSION);
            return finish_output();
        }
        if (id == '?' || id == ':')
            return usage(id == ':' ? "the option needs a value" : "not an option",
                         argv[optind - 1]);
        code = set_option(options, id, optarg);
        if (code)
            return code;
    }
    *ret_first = optind;
    return -1;
}

/* getopt would take the options of exec's command for ours. */
static int count_own(int argc, char **argv)
{
    int n = 1;

    while (n < argc && strcmp(argv[n], "--") != 0)
        n++;
    return n;
}

int main(int argc, char **argv)
{
    int own = count_own(argc, argv), first, code;
    struct options options = {0};

    code = parse_options(own, argv, &options, &first);
    if (code >= 0)
        return code;
    if (first >= own)
        return usage("a command is missing", NULL);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(commands[i].name, argv[first]) == 0)
            return commands[i].run(&options, argc - first - 1, argv + first + 1);
    return usage("not a command", argv[first]);
}
