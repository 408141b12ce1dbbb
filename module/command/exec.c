/* podlogin exec: sets the variables of services and executes a command. */
#include "command/commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command/directory.h"
#include "command/login.h"
#include "command/print.h"
#include "protocol/names.h"
#include "protocol/status.h"

#define SERVICES_MAX 16

/* Removes stale values first: an environment may hold a name twice, and setenv() replaces one. */
static int put_variable(const char *name, const char *value)
{
    unsetenv(name);
    if (setenv(name, value, 1) == 0)
        return EXIT_CODE_OK;
    output(STDERR_FILENO, "podlogin: cannot set the variable ", name, ": ", strerror(errno), "\n",
           NULL);
    return EXIT_CODE_FAULT;
}

static void unset_variables(const struct podlogin_token *token)
{
    const char *name;

    for (unsigned i = 0; (name = podlogin_token_unset_at(token, i)); i++)
        unsetenv(name);
}

/* Sets a variable from NAME=VALUE; the library has checked the name. */
static int put_assignment(const char *assignment)
{
    const char *equals = strchr(assignment, '=');
    char buffer[VARIABLE_NAME_MAX + 1];
    struct text name = text_in(buffer, sizeof(buffer));

    text_add_bytes(&name, assignment, (size_t)(equals - assignment));
    return put_variable(buffer, equals + 1);
}

/* Puts the token's files into their directory, and sets the variable that names it. */
static int put_directory(const struct podlogin_token *token)
{
    const char *directory = podlogin_token_directory(token);
    char variable[VARIABLE_NAME_MAX + 1], path[DIRECTORY_PATH_SIZE];
    struct text name = text_in(variable, sizeof(variable));
    int r;

    if (!*directory)
        return EXIT_CODE_OK;
    r = directory_write(token, path);
    if (r < 0) {
        output(STDERR_FILENO, "podlogin: ", path, ": cannot make a private directory: ",
               r == -EPERM ? "it belongs to another user, or others may enter it" : strerror(-r),
               "; set TMPDIR to a directory that only this user can write to\n", NULL);
        return EXIT_CODE_FAULT;
    }
    text_add_bytes(&name, directory, (size_t)(strchr(directory, '=') - directory));
    return put_variable(variable, path);
}

static int put_variables(const struct options *options, const char *service)
{
    struct podlogin_token *token = NULL;
    struct podlogin *login = NULL;
    const char *variable;
    int code = login_fetch(options, service, &token, &login);

    if (code)
        return code;
    unset_variables(token);
    for (unsigned i = 0; !code && (variable = podlogin_token_environment_at(token, i)); i++)
        code = put_assignment(variable);
    if (!code)
        code = put_directory(token);
    podlogin_token_free(token);
    podlogin_end(login);
    return code;
}

/* The command replaces this process, and so gets its process id, its signals and its parent. */
static int run(const struct options *options, int argc, char **argv)
{
    int n = 0, code = EXIT_CODE_OK, error;

    while (n < argc && strcmp(argv[n], "--") != 0)
        n++;
    if (n >= argc - 1)
        return usage("exec needs -- and a command", NULL);
    if (n > SERVICES_MAX)
        return usage("exec takes at most 16 services", NULL);
    if (n == 0)
        code = put_variables(options, options->service);
    for (int i = 0; i < n && !code; i++)
        code = put_variables(options, argv[i]);
    if (code)
        return code;
    execvp(argv[n + 1], argv + n + 1);
    error = errno;
    code = error == ENOENT ? 127 : 126;
    output(STDERR_FILENO, "podlogin: ", argv[n + 1], ": ", strerror(error), "\n", NULL);
    return code;
}

const struct command command_exec = {
    .name = "exec",
    .arguments = "[SERVICE]... -- COMMAND...",
    .summary = "run COMMAND with the variables of the services",
    .details = "Runs COMMAND in place of itself, with the environment variables of up to 16 "
               "services, such as\n"
               "PULUMI_ACCESS_TOKEN. Exits with the exit status of COMMAND; 126 or 127 if it "
               "cannot be run.\n",
    .takes = TAKES_TOKEN,
    .run = run,
};
