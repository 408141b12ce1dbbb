/* podlogin token: prints a token. */
#include "command/commands.h"

#include <stdlib.h>
#include <string.h>

#include "command/json.h"
#include "command/login.h"
#include "command/print.h"
#include "command/rejected.h"

#define OTHERS_SIZE 4096 /* of all members but the token */

static void add_token(struct text *text, const struct options *options,
                      const struct podlogin *login, const struct podlogin_token *token)
{
    char expires[TIME_SIZE];

    if (!option_is_given(options, OPTION_JSON)) {
        text_add(text, podlogin_token_value(token), "\n", NULL);
        return;
    }
    json_add(text, "{", "service", podlogin_service(login));
    json_add(text, ",", "token", podlogin_token_value(token));
    json_add(text, ",", "token_type", podlogin_token_type(token));
    json_add(text, ",", "expires_at", time_text(podlogin_token_expires_at(token), expires));
    json_add(text, ",", "source", podlogin_token_source(token));
    text_add(text, "}\n", NULL);
}

/* The copy that is printed is wiped. Each byte of the token may be escaped. */
static int print_token(const struct options *options, const struct podlogin *login,
                       const struct podlogin_token *token)
{
    size_t len = strlen(podlogin_token_value(token));
    size_t size = option_is_given(options, OPTION_JSON) ? 2 * len + OTHERS_SIZE : len + 2;
    char *buffer = malloc(size);
    struct text text;
    int code;

    if (!buffer)
        return report(NULL, "token", PODLOGIN_NO_MEMORY);
    text = text_in(buffer, size);
    add_token(&text, options, login, token);
    code = print_secret(buffer, size);
    free(buffer);
    return code;
}

static int run(const struct options *options, int argc, char **argv)
{
    struct podlogin_token *token = NULL;
    struct podlogin *login = NULL;
    const char *service = options->service;
    int code;

    if (argc > 1)
        return usage("token takes at most one service", argv[1]);
    if (argc > 0)
        service = argv[0];
    code = option_is_given(options, OPTION_REJECTED)
               ? rejected_replace(options, service, &token, &login)
               : login_fetch(options, service, &token, &login);
    if (code)
        return code;
    code = print_token(options, login, token);
    podlogin_token_free(token);
    podlogin_end(login);
    return code;
}

const struct command command_token = {
    .name = "token",
    .arguments = "[SERVICE]",
    .summary = "print the token and nothing else",
    .details =
        "Prints the token of the service and a newline. With --rejected, tells the daemon that "
        "the upstream\n"
        "rejects a token, which is read from standard input, or else from the service's "
        "variable, and\n"
        "prints another one.\n",
    .takes = TAKES_TOKEN | OPTION_BIT(OPTION_JSON) | OPTION_BIT(OPTION_REJECTED),
    .run = run,
};
