#include "command/rejected.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command/login.h"
#include "command/print.h"
#include "library/deadline.h"
#include "protocol/messages.h"
#include "protocol/status.h"

/* A terminal is not read, nor is /dev/null. */
static bool is_input(void)
{
    struct stat status;

    return fstat(STDIN_FILENO, &status) == 0 &&
           (S_ISREG(status.st_mode) || S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode));
}

/*
 * Reads standard input to its end into @token, a C string, without white space at its end. Returns
 * 0 or -errno.
 */
static int read_input(const struct options *options, char token[PODLOGIN_TOKEN_MAX + 2])
{
    uint32_t timeout_ms = options->timeout_ms ? options->timeout_ms : PODLOGIN_TIMEOUT_MS;
    const struct deadline deadline = {clock_ms() + timeout_ms, -1};
    size_t len = 0;
    ssize_t n;

    do {
        int r = deadline_wait(&deadline, STDIN_FILENO, POLLIN);

        if (r < 0)
            return r;
        n = read(STDIN_FILENO, token + len, PODLOGIN_TOKEN_MAX + 1 - len);
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return -errno;
        len += n > 0 ? (size_t)n : 0;
    } while (n != 0 && len <= PODLOGIN_TOKEN_MAX);
    while (len > 0 && strchr(" \t\r\n", token[len - 1]))
        len--;
    token[len] = '\0';
    return len > PODLOGIN_TOKEN_MAX ? -EFBIG : 0;
}

/* Copies the value of the service's variable to @token. Returns an exit code. */
static int read_variable(const struct options *options, const char *service,
                         char token[PODLOGIN_TOKEN_MAX + 2])
{
    struct podlogin_token *current = NULL;
    struct podlogin *login = NULL;
    struct text text = text_in(token, PODLOGIN_TOKEN_MAX + 2);
    const char *name, *value;
    int code = login_fetch(options, service, &current, &login);

    if (code)
        return code;
    name = podlogin_token_variable(current);
    value = *name ? getenv(name) : NULL;
    if (value && *value)
        text_add(&text, value, NULL);
    else
        code = usage("--rejected needs the rejected token on standard input, or in the service's "
                     "variable",
                     *name ? name : NULL);
    podlogin_token_free(current);
    podlogin_end(login);
    return code;
}

static int replace(const struct options *options, const char *service, const char *token,
                   struct podlogin_token **ret_token, struct podlogin **ret_login)
{
    enum podlogin_status status;
    int code = login_open(options, service, ret_login);

    if (code)
        return code;
    status = podlogin_reject_token(*ret_login, token, ret_token);
    if (status == PODLOGIN_OK)
        return EXIT_CODE_OK;
    code = report(*ret_login, podlogin_service(*ret_login), status);
    podlogin_end(*ret_login);
    return code;
}

int rejected_replace(const struct options *options, const char *service,
                     struct podlogin_token **ret_token, struct podlogin **ret_login)
{
    char token[PODLOGIN_TOKEN_MAX + 2] = "";
    int r = is_input() ? read_input(options, token) : 0;
    int code = EXIT_CODE_OK;

    if (r == -ETIME)
        code = usage("--rejected waited for the end of standard input until the timeout", NULL);
    else if (r < 0)
        code = usage(strerror(-r), "standard input");
    else if (!*token)
        code = read_variable(options, service, token);
    if (code == EXIT_CODE_OK)
        code = replace(options, service, token, ret_token, ret_login);
    explicit_bzero(token, sizeof(token));
    return code;
}
