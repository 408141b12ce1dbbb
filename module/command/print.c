/* Prints the result of a command, or one line about an error. */
#include "command/print.h"

#include <string.h>
#include <unistd.h>

#include "protocol/status.h"

/* A closed pipe, or a full disk, must not look like success. */
int print(const char *text)
{
    int r = output(STDOUT_FILENO, text, NULL);

    if (r == 0)
        return EXIT_CODE_OK;
    output(STDERR_FILENO, "podlogin: standard output: ", strerror(-r), "\n", NULL);
    return EXIT_CODE_FAULT;
}

int print_secret(char *buffer, size_t size)
{
    int code = print(buffer);

    explicit_bzero(buffer, size);
    return code;
}

int usage(const char *problem, const char *what)
{
    output(STDERR_FILENO, "podlogin: ", what ? what : "", what ? ": " : "", problem,
           "; see podlogin --help\n", NULL);
    return EXIT_CODE_USAGE;
}

int report(const struct podlogin *login, const char *what, enum podlogin_status status)
{
    const struct status_info *info = status_info(status);

    output(STDERR_FILENO, "podlogin: ", what, ": ", info->name, ": ",
           podlogin_strerror(login, status), "\n", NULL);
    return info->exit_code;
}
