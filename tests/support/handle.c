/*
 * A program that uses the library as a service would: it keeps one handle, and does with it what
 * the lines at a descriptor say, so that its standard descriptors can be closed.
 *
 *     handle DESCRIPTOR
 *
 * A line is the name of a call. The answer is the status, and the token or the explanation. The
 * first answer, without a line, is that of podlogin_start().
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "library/podlogin.h"

static void answer(FILE *control, enum podlogin_status status, const char *text)
{
    fprintf(control, "%d %s\n", status, text);
    fflush(control);
}

static enum podlogin_status get(struct podlogin *login, char *ret_token, size_t size)
{
    struct podlogin_token *token = NULL;
    enum podlogin_status status = podlogin_get_token(login, &token);

    if (status == PODLOGIN_OK)
        snprintf(ret_token, size, "%s", podlogin_token_value(token));
    podlogin_token_free(token);
    return status;
}

static enum podlogin_status whoami(struct podlogin *login)
{
    struct podlogin_identity *identity = NULL;
    enum podlogin_status status = podlogin_whoami(login, &identity);

    if (status == PODLOGIN_OK)
        podlogin_identity_free(identity);
    return status;
}

static enum podlogin_status call(struct podlogin *login, const char *name, char *ret_token,
                                 size_t size)
{
    if (strcmp(name, "authenticate\n") == 0)
        return podlogin_authenticate(login);
    if (strcmp(name, "get\n") == 0)
        return get(login, ret_token, size);
    if (strcmp(name, "whoami\n") == 0)
        return whoami(login);
    return podlogin_wait(login);
}

int main(int argc, char **argv)
{
    FILE *control = argc == 2 ? fdopen(atoi(argv[1]), "r+") : NULL;
    struct podlogin *login;
    char line[64];

    if (!control || podlogin_start(NULL, &login) != PODLOGIN_OK)
        return EXIT_FAILURE;
    answer(control, PODLOGIN_OK, "");
    while (fgets(line, sizeof(line), control)) {
        char token[20000] = "";
        enum podlogin_status status = call(login, line, token, sizeof(token));

        answer(control, status, status == PODLOGIN_OK ? token : podlogin_strerror(login, status));
    }
    podlogin_end(login);
    fclose(control);
    return EXIT_SUCCESS;
}
