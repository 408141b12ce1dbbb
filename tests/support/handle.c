/*
 * A program that uses the library as a service would: it keeps one handle, and does with it what
 * the lines at a descriptor say, so that its standard descriptors can be closed.
 *
 *     handle DESCRIPTOR
 *
 * A line is the name of a call, and perhaps an argument. The answer is the status, and the token or
 * the explanation. The first answer, without a line, is that of podlogin_start().
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "library/podlogin.h"

static void answer(FILE *control, enum podlogin_status status, const char *text)
{
    fprintf(control, "%d %s\n", status, text);
    fflush(control);
}

static struct podlogin_watch *watch;

static enum podlogin_status take(enum podlogin_status status, struct podlogin_token *token,
                                 char *ret_token, size_t size)
{
    if (status == PODLOGIN_OK)
        snprintf(ret_token, size, "%s", podlogin_token_value(token));
    podlogin_token_free(token);
    return status;
}

static enum podlogin_status get(struct podlogin *login, char *ret_token, size_t size)
{
    struct podlogin_token *token = NULL;
    enum podlogin_status status = podlogin_get_token(login, &token);

    return take(status, token, ret_token, size);
}

static enum podlogin_status reject(struct podlogin *login, const char *rejected, char *ret_token,
                                   size_t size)
{
    struct podlogin_token *token = NULL;
    enum podlogin_status status = podlogin_reject_token(login, rejected, &token);

    return take(status, token, ret_token, size);
}

/* Gets a token, and watches it. */
static enum podlogin_status begin_watch(struct podlogin *login, char *ret_token, size_t size)
{
    struct podlogin_token *token = NULL;
    enum podlogin_status status = podlogin_get_token(login, &token);

    podlogin_watch_end(watch);
    watch = NULL;
    if (status == PODLOGIN_OK)
        status = podlogin_watch_start(login, token, &watch);
    return take(status, token, ret_token, size);
}

/* Polls for @ms, and asks the watch if its descriptor is readable. */
static enum podlogin_status next(const char *ms, char *ret_token, size_t size)
{
    struct pollfd fd = {.fd = podlogin_watch_fd(watch), .events = POLLIN};
    struct podlogin_token *token = NULL;
    enum podlogin_status status = PODLOGIN_TIMEOUT;

    if (poll(&fd, 1, atoi(ms)) > 0)
        status = podlogin_watch_next(watch, &token);
    return take(status, token, ret_token, size);
}

static enum podlogin_status whoami(struct podlogin *login)
{
    struct podlogin_identity *identity = NULL;
    enum podlogin_status status = podlogin_whoami(login, &identity);

    if (status == PODLOGIN_OK)
        podlogin_identity_free(identity);
    return status;
}

static enum podlogin_status call(struct podlogin *login, const char *name, const char *argument,
                                 char *ret_token, size_t size)
{
    if (strcmp(name, "authenticate") == 0)
        return podlogin_authenticate(login);
    if (strcmp(name, "get") == 0)
        return get(login, ret_token, size);
    if (strcmp(name, "reject") == 0)
        return reject(login, argument, ret_token, size);
    if (strcmp(name, "watch") == 0)
        return begin_watch(login, ret_token, size);
    if (strcmp(name, "next") == 0)
        return next(argument, ret_token, size);
    if (strcmp(name, "cancel_fd") == 0)
        return podlogin_set_cancel_fd(login, atoi(argument));
    if (strcmp(name, "whoami") == 0)
        return whoami(login);
    return podlogin_wait(login);
}

static const char *explain(const struct podlogin *login, const char *name,
                           enum podlogin_status status)
{
    return strcmp(name, "next") == 0 ? podlogin_watch_strerror(watch, status)
                                     : podlogin_strerror(login, status);
}

int main(int argc, char **argv)
{
    FILE *control = argc == 2 ? fdopen(atoi(argv[1]), "r+") : NULL;
    struct podlogin *login;
    char line[20000];

    if (!control || podlogin_start(NULL, &login) != PODLOGIN_OK)
        return EXIT_FAILURE;
    answer(control, PODLOGIN_OK, "");
    while (fgets(line, sizeof(line), control)) {
        char token[20000] = "", *argument = line + strcspn(line, " \n");
        enum podlogin_status status;

        argument[strcspn(argument, "\n")] = '\0';
        if (*argument)
            *argument++ = '\0';
        status = call(login, line, argument, token, sizeof(token));
        answer(control, status, status == PODLOGIN_OK ? token : explain(login, line, status));
    }
    podlogin_watch_end(watch);
    podlogin_end(login);
    fclose(control);
    return EXIT_SUCCESS;
}
