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

/* Any repository can name any server, as a submodule or in a redirection. */
static int judge(const struct options *options, const struct wanted *wanted)
{
    const char *hosts = helper_hosts(options);

    if (!wanted->protocol || !wanted->host)
        return usage("git names no host; this program speaks the protocol of gitcredentials(7)",
                     NULL);
    if (!hosts)
        return usage("no server may have the token; name those that may, as in: git config "
                     "credential.helper 'podlogin --hosts git.example.com'",
                     wanted->host);
    if (!helper_may_have(hosts, wanted->host, strlen(wanted->host)))
        return EXIT_CODE_OK;
    if (strcmp(wanted->protocol, "https") != 0)
        return usage("the token goes to this server with https only", wanted->host);
    return -1;
}

static int get(const struct options *options)
{
    static char input[HELPER_INPUT_MAX];
    struct podlogin_token *token = NULL;
    struct podlogin *login = NULL;
    struct wanted wanted;
    int code;

    if (helper_read(input) < 0)
        return usage("cannot read what git wants from standard input", NULL);
    wanted = parse(input);
    code = judge(options, &wanted);
    if (code < 0)
        code = helper_check(options);
    if (code >= 0)
        return code;
    code = login_fetch(options, options->service ? options->service : SERVICE, &token, &login);
    if (code)
        return code;
    code = print_credential(
        wanted.username && *wanted.username ? wanted.username : helper_username(options), token);
    podlogin_token_free(token);
    podlogin_end(login);
    return code;
}

/* Git tells what worked, and what did not; later versions may tell more: gitcredentials(7) wants
 * silence. */
static int run(const struct options *options, int argc, char **argv)
{
    if (argc != 1)
        return usage("git-credential-podlogin takes one operation, such as get", NULL);
    return strcmp(argv[0], "get") == 0 ? get(options) : EXIT_CODE_OK;
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
