/* podlogin aws-endpoint: a command, and beside it a server that AWS SDKs get credentials from. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "command/aws.h"
#include "command/child.h"
#include "command/commands.h"
#include "command/endpoint.h"
#include "command/login.h"
#include "command/print.h"
#include "command/variables.h"
#include "protocol/status.h"
#include "text/descriptor.h"

struct source {
    const struct options *options;
    const char *service;
};

/*
 * Where an SDK looks before it asks a server, or instead of this one. The service says so, too, if
 * its provider is aws-sts.
 */
static const char *const unset[] = {
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
};

static const char *const keys[] = {
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
};

/* The HTTP status that the EKS Pod Identity agent would answer with. */
static unsigned http_status(enum podlogin_status status)
{
    if (status == PODLOGIN_UNKNOWN_SERVICE)
        return 404;
    if (status == PODLOGIN_BUSY || status == PODLOGIN_TOO_MANY)
        return 429;
    switch (status_info(status)->exit_code) {
    case EXIT_CODE_REFUSED:
        return 403;
    case EXIT_CODE_UNREACHABLE:
    case EXIT_CODE_TRY_AGAIN:
        return 503;
    default:
        return 500;
    }
}

/* Asks the daemon each time: the token is only as good as the daemon says now. */
static unsigned answer(void *context, struct text *body)
{
    const struct source *source = context;
    struct podlogin_token *token = NULL;
    struct podlogin *login = NULL;
    enum podlogin_status status;
    unsigned code = 200;

    if (login_open(source->options, source->service, &login) != EXIT_CODE_OK)
        return 500;
    status = login_token(source->options, login, &token);
    if (status != PODLOGIN_OK) {
        code = http_status(status);
        text_add(body, status_info(status)->name, ": ", podlogin_strerror(login, status), "\n",
                 NULL);
    } else if (!aws_is_in(token)) {
        code = 500;
        text_add(body, "the service is no longer one of AWS\n", NULL);
    } else {
        aws_add(body, "{", "Token", token);
    }
    podlogin_token_free(token);
    podlogin_end(login);
    return code;
}

/*
 * Leaves the command alone: no descriptor of it stays open here, and no key or signal that ends the
 * command ends the server before it. Messages go where those of the command go.
 */
static void detach(int listener)
{
    static const int ignored[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE};
    struct rlimit files = {.rlim_cur = 65536};

    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
        signal(ignored[i], SIG_IGN);
    setsid();
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    if (descriptors_hold_standard() < 0)
        _exit(EXIT_CODE_FAULT);
    for (int fd = STDERR_FILENO + 1; fd < listener; fd++)
        close(fd);
    if (syscall(SYS_close_range, (unsigned)listener + 1, ~0u, 0) == 0)
        return;
    prlimit(0, RLIMIT_NOFILE, NULL, &files);
    for (int fd = listener + 1; (rlim_t)fd < files.rlim_cur && fd < 65536; fd++)
        close(fd);
}

/*
 * Starts the server as a child of the command, to which the command's own wait() is blind: its end
 * sends no signal (__WCLONE in waitpid(2)). Otherwise a command that waits until it has no child
 * would wait for ever. Returns 0 or -errno.
 */
static int start_server(struct endpoint *endpoint, struct podlogin_token *token)
{
    pid_t owner = getpid();
    long pid = syscall(SYS_clone, 0, NULL, NULL, NULL, NULL);

    if (pid != 0)
        return pid < 0 ? -errno : 0;
    podlogin_token_free(token);
    detach(endpoint->listener);
    endpoint_serve(endpoint, owner);
    _exit(EXIT_CODE_OK);
}

/* The command gets what the token says, such as AWS_REGION, but no key. */
static int put_environment(const struct endpoint *endpoint, const struct podlogin_token *token)
{
    const struct variables variables = {variables_put, NULL};
    char url[64 + sizeof(ENDPOINT_PATH)], number[NUMBER_SIZE];
    struct text text = text_in(url, sizeof(url));
    int code = variables_of(token, &variables);

    for (size_t i = 0; i < sizeof(unset) / sizeof(unset[0]); i++)
        unsetenv(unset[i]);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        unsetenv(keys[i]);
    text_add(&text, "http://127.0.0.1:", number_text(endpoint->port, number), ENDPOINT_PATH, NULL);
    if (!code)
        code = variables_put(NULL, "AWS_CONTAINER_CREDENTIALS_FULL_URI", url);
    if (!code)
        code = variables_put(NULL, "AWS_CONTAINER_AUTHORIZATION_TOKEN", endpoint->key);
    return code;
}

static int fail(int r)
{
    output(STDERR_FILENO, "podlogin: aws-endpoint: ", strerror(-r), "\n", NULL);
    return EXIT_CODE_FAULT;
}

static int run_beside(struct source *source, char **command)
{
    struct endpoint endpoint = {.answer = answer, .context = source};
    struct podlogin_token *token = NULL;
    struct podlogin *login = NULL;
    int code = login_fetch(source->options, source->service, &token, &login), r;

    if (code)
        return code;
    podlogin_end(login);
    if (!aws_is_in(token)) {
        podlogin_token_free(token);
        return aws_is_missing(source->service);
    }
    r = endpoint_open(&endpoint);
    if (r == 0)
        r = start_server(&endpoint, token);
    code = r < 0 ? fail(r) : put_environment(&endpoint, token);
    podlogin_token_free(token);
    return code ? code : child_execute(command);
}

static int run(const struct options *options, int argc, char **argv)
{
    struct source source = {options, options->service ? options->service : AWS_SERVICE};
    int n = 0;

    while (n < argc && strcmp(argv[n], "--") != 0)
        n++;
    if (n >= argc - 1)
        return usage("aws-endpoint needs -- and a command", NULL);
    if (n > 1)
        return usage("aws-endpoint takes at most one service", argv[1]);
    if (n == 1)
        source.service = argv[0];
    return run_beside(&source, argv + n + 1);
}

const struct command command_aws_endpoint = {
    .name = "aws-endpoint",
    .arguments = "[SERVICE] -- COMMAND...",
    .summary = "run COMMAND beside a server of AWS credentials",
    .details = "Runs COMMAND in place of itself. A server on the pod's loopback interface gives "
               "AWS SDKs credentials\n"
               "as long as COMMAND runs, fresh ones each time. The service is aws if none is "
               "named, whatever\n"
               "PODLOGIN_SERVICE says.\n",
    .takes = TAKES_TOKEN,
    .run = run,
};
