/* podlogin: the command in the container. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "messages.h"
#include "podlogin.h"
#include "status.h"
#include "text.h"
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

static const char help[] =
    "podlogin COMMAND [OPTIONS] [SERVICE]\n\n"
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
    "78 configuration. exec ends as its child ends. See podlogin(1).\n";

/* A pipe that was closed, or a full disk, must not look like success. */
static int print(const char *text)
{
    int r = output(STDOUT_FILENO, text, NULL);

    if (r == 0)
        return EXIT_CODE_OK;
    output(STDERR_FILENO, "podlogin: standard output: ", strerror(-r), "\n", NULL);
    return EXIT_CODE_FAULT;
}

static int usage(const char *problem, const char *what)
{
    output(STDERR_FILENO, "podlogin: ", what ? what : "", what ? ": " : "", problem,
           "; see podlogin --help\n", NULL);
    return EXIT_CODE_USAGE;
}

/* One line: what happened, why, what to do. */
static int report(const struct podlogin *login, const char *what, enum podlogin_status status)
{
    const struct status_info *info = status_info(status);

    output(STDERR_FILENO, "podlogin: ", what, ": ", info->name, ": ",
           podlogin_strerror(login, status), "\n", NULL);
    return info->exit_code;
}

static int open_login(const struct options *options, const char *service,
                      struct podlogin **ret_login)
{
    struct podlogin *login = NULL;
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
static void add_json(struct text *text, const char *before, const char *name, const char *value)
{
    text_add(text, before, "\"", name, "\":\"", NULL);
    for (; *value; value++) {
        if (*value == '"' || *value == '\\')
            text_add(text, "\\", NULL);
        text_add_bytes(text, value, 1);
    }
    text_add(text, "\"", NULL);
}

static void say_source(const struct podlogin *login, const struct podlogin_token *token)
{
    int64_t left_s = podlogin_token_expires_at(token) - time(NULL);
    char number[NUMBER_SIZE];

    output(STDERR_FILENO, "podlogin: ", podlogin_service(login), ": a token from ",
           podlogin_token_source(token), ", valid for ",
           number_text(left_s > 0 ? (uint64_t)left_s : 0, number), " s\n", NULL);
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
        say_source(*ret_login, *ret_token);
    return EXIT_CODE_OK;
}

static int print_token(const struct options *options, const struct podlogin *login,
                       const struct podlogin_token *token)
{
    static char buffer[2 * PODLOGIN_TOKEN_MAX + 4096];
    struct text text = text_in(buffer, sizeof(buffer));
    char expires[TIME_SIZE];
    int code;

    if (options->is_json) {
        add_json(&text, "{", "service", podlogin_service(login));
        add_json(&text, ",", "token", podlogin_token_value(token));
        add_json(&text, ",", "token_type", podlogin_token_type(token));
        add_json(&text, ",", "expires_at", time_text(podlogin_token_expires_at(token), expires));
        add_json(&text, ",", "source", podlogin_token_source(token));
        text_add(&text, "}\n", NULL);
    } else {
        text_add(&text, podlogin_token_value(token), "\n", NULL);
    }
    code = print(buffer);
    explicit_bzero(buffer, sizeof(buffer));
    return code;
}

static int command_token(const struct options *options, int argc, char **argv)
{
    struct podlogin_token *token = NULL;
    struct podlogin *login = NULL;
    int code;

    if (argc > 1)
        return usage("one service at most", argv[1]);
    code = fetch(options, argc ? argv[0] : options->service, &token, &login);
    if (code)
        return code;
    code = print_token(options, login, token);
    podlogin_token_free(token);
    podlogin_end(login);
    return code;
}

static void add_identity_json(struct text *text, const struct podlogin_identity *identity)
{
    char expires[TIME_SIZE];
    const char *service;

    add_json(text, "{", "issuer", podlogin_identity_issuer(identity));
    add_json(text, ",", "subject", podlogin_identity_subject(identity));
    add_json(text, ",", "namespace", podlogin_identity_namespace(identity));
    add_json(text, ",", "serviceaccount", podlogin_identity_serviceaccount(identity));
    add_json(text, ",", "serviceaccount_uid", podlogin_identity_serviceaccount_uid(identity));
    add_json(text, ",", "pod", podlogin_identity_pod(identity));
    add_json(text, ",", "pod_uid", podlogin_identity_pod_uid(identity));
    add_json(text, ",", "expires_at", time_text(podlogin_identity_expires_at(identity), expires));
    text_add(text, ",\"services\":[", NULL);
    for (unsigned i = 0; (service = podlogin_identity_service_at(identity, i)); i++)
        text_add(text, i ? "," : "", "\"", service, "\"", NULL);
    text_add(text, "]}\n", NULL);
}

static void add_identity(struct text *text, const struct podlogin_identity *identity)
{
    char expires[TIME_SIZE];
    const char *service;

    text_add(text, "issuer          ", podlogin_identity_issuer(identity), "\n", NULL);
    text_add(text, "subject         ", podlogin_identity_subject(identity), "\n", NULL);
    text_add(text, "namespace       ", podlogin_identity_namespace(identity), "\n", NULL);
    text_add(text, "serviceaccount  ", podlogin_identity_serviceaccount(identity), " (",
             podlogin_identity_serviceaccount_uid(identity), ")\n", NULL);
    if (*podlogin_identity_pod(identity))
        text_add(text, "pod             ", podlogin_identity_pod(identity), " (",
                 podlogin_identity_pod_uid(identity), ")\n", NULL);
    text_add(text, "expires         ", time_text(podlogin_identity_expires_at(identity), expires),
             "\n", NULL);
    text_add(text, "services       ", NULL);
    for (unsigned i = 0; (service = podlogin_identity_service_at(identity, i)); i++)
        text_add(text, " ", service, NULL);
    text_add(text, "\n", NULL);
}

static int print_identity(const struct options *options, const struct podlogin_identity *identity)
{
    static char buffer[2 * PODLOGIN_ANSWER_MAX];
    struct text text = text_in(buffer, sizeof(buffer));

    if (options->is_json)
        add_identity_json(&text, identity);
    else
        add_identity(&text, identity);
    return print(buffer);
}

static int command_whoami(const struct options *options, int argc, char **argv)
{
    struct podlogin_identity *identity = NULL;
    enum podlogin_status status;
    struct podlogin *login = NULL;
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
        code = print_identity(options, identity);
        podlogin_identity_free(identity);
    }
    podlogin_end(login);
    return code;
}

static int command_wait(const struct options *options, int argc, char **argv)
{
    enum podlogin_status status;
    struct podlogin *login = NULL;
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
    output(STDERR_FILENO, "podlogin: ", name, ": the variable cannot be set\n", NULL);
    return EXIT_CODE_FAULT;
}

static int put_variables(const struct options *options, const char *service)
{
    struct podlogin_token *token = NULL;
    struct podlogin *login = NULL;
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
    int n = 0, code = EXIT_CODE_OK, error;

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
    error = errno;
    code = error == ENOENT ? 127 : 126;
    output(STDERR_FILENO, "podlogin: ", argv[n + 1], ": ", strerror(error), "\n", NULL);
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

/* An exit code, or -1: go on. */
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
            return usage("--min-ttl is a time span of at most 7d, such as 90min", value);
        options->min_ttl_s = (uint32_t)(ms / 1000);
        options->has_min_ttl = true;
        break;
    case TIMEOUT:
        if (time_span_parse(value, PODLOGIN_TIMEOUT_MAX_MS, &ms) < 0 || ms == 0)
            return usage("--timeout is a time span of at most 60s, such as 10s", value);
        options->timeout_ms = (uint32_t)ms;
        break;
    case HELP:
        return print(help);
    case VERSION:
        return print("podlogin " PODLOGIN_VERSION "\n");
    }
    return -1;
}

/* --name, --name=VALUE or --name VALUE at argv[*i]; moves past a value. As set_option(). */
static int parse_option(int argc, char **argv, int *i, struct options *options)
{
    const char *name = argv[*i][1] ? argv[*i] + 2 : "", *equals = strchr(name, '=');
    size_t len = equals ? (size_t)(equals - name) : strlen(name);

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

/*
 * Options stand anywhere before a "--", which begins exec's command. What is left of @argv is the
 * command, services, and from "--" on all as it was. As set_option().
 */
static int parse_options(int *argc, char **argv, struct options *options)
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
    argv[n] = NULL; /* exec's command takes it as it stands */
    *argc = n;
    return -1;
}

int main(int argc, char **argv)
{
    struct options options = {0};
    int code = parse_options(&argc, argv, &options);

    if (code >= 0)
        return code;
    if (argc == 0 || strcmp(argv[0], "--") == 0)
        return usage("a command is missing", NULL);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(commands[i].name, argv[0]) == 0)
            return commands[i].run(&options, argc - 1, argv + 1);
    return usage("not a command", argv[0]);
}
