#include "ctl/issuer/access_token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "ctl/issuer/issuer.h"
#include "protocol/messages.h"

static const char *token_problem(const struct secret *token)
{
    if (token->len == 0)
        return "is empty";
    if (token->len > PODLOGIN_TOKEN_MAX)
        return "is longer than 16 KiB";
    for (size_t i = 0; i < token->len; i++)
        if (token->bytes[i] <= ' ' || token->bytes[i] > '~')
            return "has characters that no token has, such as a blank or the end of a line";
    return NULL;
}

/* The token makes its holder an administrator of the organization. */
static void warn_of_readers(const char *path)
{
    struct stat st;

    if (stat(path, &st) == 0 && st.st_mode & S_IROTH)
        fprintf(stderr,
                "podloginctl " ISSUER ": warning: %s can be read by others (mode %04o); remove "
                "this with chmod o-r\n",
                path, (unsigned)st.st_mode & 07777);
}

struct secret *access_token_read(const char *path, const char *organization)
{
    char *value = getenv(ACCESS_TOKEN_VARIABLE);
    struct secret *token = NULL;
    const char *problem;

    if (path) {
        warn_of_readers(path);
        token = ctl_token(ISSUER, path);
    } else if (value) {
        token = secret_new(value, strnlen(value, PODLOGIN_TOKEN_MAX + 1));
    } else {
        issuer_fail(EXIT_CODE_CONFIG,
                    "this needs the access token of an administrator of %s: --access-token-file "
                    "FILE, or $" ACCESS_TOKEN_VARIABLE,
                    organization);
    }
    if (value) /* other processes of the user can read the environment */
        explicit_bzero(value, strlen(value));
    if (!token)
        return NULL;
    file_cut_white_end(token);
    problem = token_problem(token);
    if (problem) {
        issuer_fail(EXIT_CODE_CONFIG, "the access token %s", problem);
        token = secret_free(token);
    }
    return token;
}
