/* git-credential-podlogin: the protocol of git's credential helpers (gitcredentials(7)). */
#include <stdio.h>
#include <string.h>

#include "command/commands.h"
#include "command/helper.h"
#include "command/login.h"
#include "command/print.h"
#include "protocol/messages.h"
#include "protocol/status.h"

#define SERVICE "git" /* if none is named */

/* What git describes, in lines NAME=VALUE; NULL: it does not say. */
struct wanted {
    const char *protocol;
    const char *host; /* with the port, if the URL has one */
    const char *username;
    const char *password;
};

/* Git also describes what this program has no use for. An empty line is the end. */
static struct wanted parse(char *input)
{
    struct wanted wanted = {0};

    for (char *line; (line = strsep(&input, "\n")) && *line;) {
        char *equals = strchr(line, '=');

        if (!equals)
            continue;
        *equals = '\0';
        if (strcmp(line, "protocol") == 0)
            wanted.protocol = equals + 1;
        else if (strcmp(line, "host") == 0)
            wanted.host = equals + 1;
        else if (strcmp(line, "username") == 0)
            wanted.username = equals + 1;
        else if (strcmp(line, "password") == 0)
            wanted.password = equals + 1;
    }
    return wanted;
}

static int print_credential(const char *username, const struct podlogin_token *token)
{
    static char buffer[HELPER_INPUT_MAX + PODLOGIN_TOKEN_MAX + 128];
    struct text text = text_in(buffer, sizeof(buffer));
    char number[NUMBER_SIZE];

    text_add(&text, "username=", username, "\npassword=", podlogin_token_value(token),
             "\npassword_expiry_utc=",
             number_text((uint64_t)podlogin_token_expires_at(token), number), "\n", NULL);
    return print_secret(buffer, sizeof(buffer));
}

static bool is_https(const struct wanted *wanted)
{
    return wanted->protocol && strcmp(wanted->protocol, "https") == 0;
}

static bool is_named(const char *hosts, const struct wanted *wanted)
{
    return hosts && wanted->host && helper_may_have(hosts, wanted->host, strlen(wanted->host));
}

/*
 * Any repository can name any server, as a submodule or in a redirection. Returns -1 to go on, or
 * an exit code.
 */
static int judge(const char *hosts, const struct wanted *wanted)
{
    if (!wanted->protocol || !wanted->host)
        return usage("git names no host; this program speaks the protocol of gitcredentials(7)",
                     NULL);
    if (!hosts)
        return usage("no server may have the token; name those that may, as in: git config "
                     "credential.helper 'podlogin --hosts git.example.com'",
                     wanted->host);
    if (!is_named(hosts, wanted))
        return EXIT_CODE_OK;
    if (!is_https(wanted))
        return usage("the token goes to this server with https only", wanted->host);
    return -1;
}

static const char *service_of(const struct options *options)
{
    return options->service ? options->service : SERVICE;
}

static int get(const struct options *options, const struct wanted *wanted)
{
    const char *username =
        wanted->username && *wanted->username ? wanted->username : helper_username(options);
    struct podlogin_token *token = NULL;
    struct podlogin *login = NULL;
    int code = judge(helper_hosts(options), wanted);

    if (code < 0)
        code = helper_check(options);
    if (code < 0)
        code = login_fetch(options, service_of(options), &token, &login);
    if (!token)
        return code;
    code = print_credential(username, token);
    podlogin_token_free(token);
    podlogin_end(login);
    return code;
}

/* A server that may have the token refused a password, which may be of another helper. */
static int erase(const struct options *options, const struct wanted *wanted)
{
    struct podlogin_token *token = NULL;
    struct podlogin *login = NULL;
    enum podlogin_status status;
    int code;

    if (!wanted->password || !*wanted->password || !is_https(wanted) ||
        !is_named(helper_hosts(options), wanted))
        return EXIT_CODE_OK;
    code = login_open(options, service_of(options), &login);
    if (code)
        return code;
    status = podlogin_reject_token(login, wanted->password, &token);
    if (status != PODLOGIN_OK)
        code = report(login, podlogin_service(login), status);
    podlogin_token_free(token);
    podlogin_end(login);
    return code;
}

/* Git tells other things, too, which gitcredentials(7) says to ignore. */
static int run(const struct options *options, int argc, char **argv)
{
    static char input[HELPER_INPUT_MAX];
    struct wanted wanted;
    int code = EXIT_CODE_OK;

    if (argc != 1)
        return usage("git-credential-podlogin takes one operation, such as get", NULL);
    if (helper_read(input) < 0)
        return usage("cannot read what git wants from standard input", NULL);
    wanted = parse(input);
    if (strcmp(argv[0], "get") == 0)
        code = get(options, &wanted);
    else if (strcmp(argv[0], "erase") == 0)
        code = erase(options, &wanted);
    explicit_bzero(input, sizeof(input));
    return code;
}

const struct command helper_git_credential = {
    .name = "git-credential-podlogin",
    .arguments = "get|store|erase",
    .details = "Gives git the token of the service as a password, for the servers in --hosts and "
               "no other:\n\n"
               "  git config --global credential.helper 'podlogin --hosts git.example.com'\n\n"
               "The service is git if none is named, whatever PODLOGIN_SERVICE says.\n",
    .takes = TAKES_TOKEN | OPTION_BIT(OPTION_HOSTS) | OPTION_BIT(OPTION_USERNAME),
    .run = run,
};
