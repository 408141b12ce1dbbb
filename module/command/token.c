/* podlogin token: prints a token. */
#include "command/commands.h"

#include <string.h>

#include "command/json.h"
#include "command/login.h"
#include "command/print.h"
#include "protocol/messages.h"

static int print_token(const struct options *options, const struct podlogin *login,
                       const struct podlogin_token *token)
{
    static char buffer[2 * PODLOGIN_TOKEN_MAX + 4096];
    struct text text = text_in(buffer, sizeof(buffer));
    char expires[TIME_SIZE];
    int code;

    if (options->is_json) {
        json_add(&text, "{", "service", podlogin_service(login));
        json_add(&text, ",", "token", podlogin_token_value(token));
        json_add(&text, ",", "token_type", podlogin_token_type(token));
        json_add(&text, ",", "expires_at", time_text(podlogin_token_expires_at(token), expires));
        json_add(&text, ",", "source", podlogin_token_source(token));
        text_add(&text, "}\n", NULL);
    } else {
        text_add(&text, podlogin_token_value(token), "\n", NULL);
    }
    code = print(buffer);
    explicit_bzero(buffer, sizeof(buffer));
    return code;
}

int command_token(const struct options *options, int argc, char **argv)
{
    struct podlogin_token *token = NULL;
    struct podlogin *login = NULL;
    int code;

    if (argc > 1)
        return usage("token takes at most one service", argv[1]);
    code = login_fetch(options, argc ? argv[0] : options->service, &token, &login);
    if (code)
        return code;
    code = print_token(options, login, token);
    podlogin_token_free(token);
    podlogin_end(login);
    return code;
}
