#include "command/variables.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command/directory.h"
#include "protocol/names.h"
#include "protocol/status.h"

/* Passes on NAME=VALUE, or NAME= and another value; the library has checked the name. */
static int change(const struct variables *variables, const char *assignment, const char *value)
{
    const char *equals = strchr(assignment, '=');
    char buffer[VARIABLE_NAME_MAX + 1];
    struct text name = text_in(buffer, sizeof(buffer));

    text_add_bytes(&name, assignment, (size_t)(equals - assignment));
    return variables->change(variables->context, buffer, value ? value : equals + 1);
}

/* Puts the token's files into their directory, and sets the variable that names it. */
static int change_directory(const struct podlogin_token *token, const struct variables *variables)
{
    const char *directory = podlogin_token_directory(token);
    char path[DIRECTORY_PATH_SIZE];
    int r;

    if (!*directory)
        return EXIT_CODE_OK;
    r = directory_write(token, path);
    if (r == 0)
        return change(variables, directory, path);
    output(STDERR_FILENO, "podlogin: ", path, ": cannot make a private directory: ",
           r == -EPERM ? "it belongs to another user, or others may enter it" : strerror(-r),
           "; set TMPDIR to a directory that only this user can write to\n", NULL);
    return EXIT_CODE_FAULT;
}

int variables_of(const struct podlogin_token *token, const struct variables *variables)
{
    const char *text;
    int code = EXIT_CODE_OK;

    for (unsigned i = 0; !code && (text = podlogin_token_unset_at(token, i)); i++)
        code = variables->change(variables->context, text, NULL);
    for (unsigned i = 0; !code && (text = podlogin_token_environment_at(token, i)); i++)
        code = change(variables, text, NULL);
    return code ? code : change_directory(token, variables);
}

/* Removes stale values first: an environment may hold a name twice, and setenv() replaces one. */
int variables_put(void *context, const char *name, const char *value)
{
    (void)context;
    unsetenv(name);
    if (!value || setenv(name, value, 1) == 0)
        return EXIT_CODE_OK;
    output(STDERR_FILENO, "podlogin: cannot set the variable ", name, ": ", strerror(errno), "\n",
           NULL);
    return EXIT_CODE_FAULT;
}
