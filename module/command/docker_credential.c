/* docker-credential-podlogin: the protocol of docker's credential helpers. */
#include <string.h>
#include <unistd.h>

#include "command/commands.h"
#include "command/helper.h"
#include "command/json.h"
#include "command/login.h"
#include "command/print.h"
#include "protocol/messages.h"
#include "protocol/status.h"

#define SERVICE "docker" /* if none is named */

/* Docker knows this text, and then goes on without a credential. */
#define NOT_FOUND "credentials not found in native keychain\n"

/*
 * Cuts what docker wants, a host or a URL, down to the host with its port. What begins with another
 * scheme than https has no host that may have the token.
 */
static const char *host_of(const char *server, size_t *ret_len)
{
    if (strncasecmp(server, "https://", 8) == 0)
        server += 8;
    *ret_len = strcspn(server, "/");
    return server;
}

static int print_credential(const struct options *options, const char *server,
                            const struct podlogin_token *token)
{
    static char buffer[4 * HELPER_INPUT_MAX];
    struct text text = text_in(buffer, sizeof(buffer));

    json_add(&text, "{", "ServerURL", server);
    json_add(&text, ",", "Username", helper_username(options));
    json_add(&text, ",", "Secret", podlogin_token_value(token));
    text_add(&text, "}\n", NULL);
    return print_secret(buffer, sizeof(buffer));
}

static int fetch(const struct options *options, const char *server)
{
    struct podlogin_token *token = NULL;
    struct podlogin *login = NULL;
    int code = login_fetch(options, options->service ? options->service : SERVICE, &token, &login);

    if (code)
        return code;
    code = print_credential(options, server, token);
    podlogin_token_free(token);
    podlogin_end(login);
    return code;
}

/* An image can name any registry; with credsStore, docker asks for all of them. */
static int get(const struct options *options)
{
    static char server[HELPER_INPUT_MAX];
    const char *hosts = helper_hosts(options), *host;
    size_t len;
    int n = helper_read(server);

    if (n < 0)
        return usage("cannot read the name of the registry from standard input", NULL);
    while (n > 0 && (server[n - 1] == '\n' || server[n - 1] == '\r'))
        server[--n] = '\0';
    if (!text_is_visible(server, (size_t)n))
        return usage("this is not the name of a registry", NULL);
    if (!hosts)
        return usage("no registry may have the token; name those that may, with commas between "
                     "them, in PODLOGIN_HOSTS",
                     server);
    host = host_of(server, &len);
    if (!helper_may_have(hosts, host, len)) {
        print(NOT_FOUND);
        return EXIT_CODE_CONFIG;
    }
    return fetch(options, server);
}

/* Prints the registries with their user name, as programs expect that ask for all credentials. */
static int list(const struct options *options)
{
    static char buffer[4 * HELPER_INPUT_MAX];
    struct text text = text_in(buffer, sizeof(buffer));
    const char *hosts = helper_hosts(options), *before = "{";

    for (size_t len; hosts && *hosts; hosts += len + !!hosts[len]) {
        char name[256];
        struct text host = text_in(name, sizeof(name));

        len = strcspn(hosts, ", ");
        text_add_bytes(&host, hosts, len);
        if (len > 0) {
            json_add(&text, before, name, helper_username(options));
            before = ",";
        }
    }
    text_add(&text, *before == '{' ? "{" : "", "}\n", NULL);
    return print(buffer);
}

static int operate(const struct options *options, const char *operation)
{
    int code = helper_check(options);

    if (code >= 0)
        return code;
    if (strcmp(operation, "get") == 0)
        return get(options);
    if (strcmp(operation, "list") == 0)
        return list(options);
    if (strcmp(operation, "version") == 0)
        return print("docker-credential-podlogin " PODLOGIN_VERSION "\n");
    if (strcmp(operation, "erase") == 0)
        return EXIT_CODE_OK;
    if (strcmp(operation, "store") == 0)
        return usage("nothing is stored: each pull gets a token, without docker login", NULL);
    return usage("not an operation", operation);
}

/* Docker shows what a helper prints to standard output, also if it is an error. */
static int run(const struct options *options, int argc, char **argv)
{
    int code;

    dup2(STDOUT_FILENO, STDERR_FILENO);
    code = argc == 1 ? operate(options, argv[0])
                     : usage("docker-credential-podlogin takes one operation, such as get", NULL);
    return code == EXIT_CODE_OK ? EXIT_CODE_OK : 1;
}

const struct command helper_docker_credential = {
    .name = "docker-credential-podlogin",
    .arguments = "get|store|erase|list|version",
    .details = "Gives docker and its relatives the token of the service as a password, for the "
               "registries in\n"
               "PODLOGIN_HOSTS and no other. In config.json:\n\n"
               "  {\"credHelpers\": {\"registry.example.com\": \"podlogin\"}}\n\n"
               "The service is docker, whatever PODLOGIN_SERVICE says; or NAME, if this program is "
               "called\n"
               "docker-credential-podlogin-NAME.\n",
    .takes = (TAKES_TOKEN | OPTION_BIT(OPTION_HOSTS) | OPTION_BIT(OPTION_USERNAME)) &
             ~OPTION_BIT(OPTION_VERBOSE),
    .run = run,
};
