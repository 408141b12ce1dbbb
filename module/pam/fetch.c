/* The one flow through the library. Its copies of JWT and token are wiped when the handle ends. */
#include "pam/fetch.h"

#include "library/login.h"
#include "pam/token_path.h"

static enum podlogin_status set_token_file(struct podlogin *login, const char *template,
                                           const char *user, struct text *why)
{
    char path[TOKEN_PATH_SIZE];
    const char *problem = token_path_make(template, user, path);

    if (!problem)
        return podlogin_set_token_file(login, path);
    text_add(why, "token_file=", template, ": ", problem, NULL);
    return PODLOGIN_NO_SUBJECT_TOKEN;
}

enum podlogin_status token_fetch(const struct arguments *arguments, const char *user,
                                 struct podlogin_token **ret_token, struct text *why)
{
    struct podlogin *login = NULL;
    const char *begin = why->at;
    enum podlogin_status status = login_start(&arguments->settings, &login);

    if (status == PODLOGIN_OK)
        status = set_token_file(login, arguments->token_file, user, why);
    if (status == PODLOGIN_OK) {
        login_asks_once(login);
        status = podlogin_authenticate(login);
    }
    if (status == PODLOGIN_OK)
        status = podlogin_get_token(login, ret_token);
    if (status != PODLOGIN_OK && why->at == begin)
        text_add(why, podlogin_strerror(login, status), NULL);
    podlogin_end(login);
    return status;
}
