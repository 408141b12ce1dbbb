/* podlogin exec: sets the variables of services and executes a command. */
#include "command/exec.h"

#include <string.h>
#include <unistd.h>

#include "command/child.h"
#include "command/commands.h"
#include "command/login.h"
#include "command/print.h"
#include "command/variables.h"
#include "library/environment.h"
#include "protocol/status.h"

#define SERVICES_MAX   16
#define REJECT_TIME_MS 1000 /* the daemon goes on without us */

/* The services whose variables the command has, and their tokens while they may be rejected. */
struct logins {
    struct podlogin *login[SERVICES_MAX];
    struct podlogin_token *token[SERVICES_MAX];
    int n;
};

static void logins_done(struct logins *logins)
{
    for (int i = 0; i < logins->n; i++) {
        podlogin_token_free(logins->token[i]);
        podlogin_end(logins->login[i]);
    }
    logins->n = 0;
}

static int put_service(const struct options *options, const char *service, struct logins *logins)
{
    const struct variables variables = {variables_put, NULL};
    int code = login_fetch(options, service, &logins->token[logins->n], &logins->login[logins->n]);

    if (code)
        return code;
    return variables_of(logins->token[logins->n++], &variables);
}

bool exec_parse_statuses(const char *text, struct exec_statuses *ret_statuses)
{
    *ret_statuses = (struct exec_statuses){.n = 0};
    if (strcmp(text, "none") == 0)
        return true;
    for (;;) {
        unsigned status = 0;

        for (; *text >= '0' && *text <= '9' && status <= 255; text++)
            status = status * 10 + (unsigned)(*text - '0');
        if (status < 1 || status > 255 || ret_statuses->n == EXEC_STATUSES_MAX)
            return false;
        ret_statuses->status[ret_statuses->n++] = (int)status;
        if (!*text)
            return true;
        if (*text++ != ',')
            return false;
    }
}

static bool says_rejected(const struct exec_statuses *statuses, int status)
{
    for (unsigned i = 0; i < statuses->n; i++)
        if (statuses->status[i] == status)
            return true;
    return false;
}

/* Once, and the command is not run again: it may have done something before it failed. */
static void reject(const struct options *options, const struct logins *logins)
{
    for (int i = 0; i < logins->n; i++) {
        struct podlogin_token *token = NULL;
        enum podlogin_status status;

        podlogin_set_timeout(logins->login[i], REJECT_TIME_MS);
        status =
            podlogin_reject_token(logins->login[i], podlogin_token_value(logins->token[i]), &token);
        podlogin_token_free(token);
        if (status != PODLOGIN_OK && option_is_given(options, OPTION_VERBOSE))
            report(logins->login[i], podlogin_service(logins->login[i]), status);
    }
}

static int run_child(const struct options *options, const struct exec_statuses *statuses,
                     struct logins *logins, char **command)
{
    int ended_by, status = child_run(command, &ended_by);

    if (!ended_by && says_rejected(statuses, status))
        reject(options, logins);
    logins_done(logins);
    if (ended_by)
        child_end(ended_by);
    return status;
}

/* Without statuses, the command gets the process id of this program, its signals and its parent. */
static int run_command(const struct options *options, const struct exec_statuses *statuses,
                       struct logins *logins, char **command)
{
    if (statuses->n)
        return run_child(options, statuses, logins, command);
    logins_done(logins);
    return child_execute(command);
}

static int find_statuses(const struct options *options, struct exec_statuses *ret_statuses)
{
    const char *text =
        options->reject_on ? options->reject_on : environment_value("PODLOGIN_REJECT_ON");

    if (!text || exec_parse_statuses(text, ret_statuses))
        return EXIT_CODE_OK;
    return usage(options->reject_on
                     ? "--reject-on needs exit statuses from 1 to 255, such as 3,77, "
                       "or none"
                     : "PODLOGIN_REJECT_ON needs exit statuses from 1 to 255, such as "
                       "3,77, or none",
                 text);
}

int exec_run(const struct options *options, const struct exec_statuses *statuses, int argc,
             char **argv)
{
    struct exec_statuses rejecting = *statuses;
    struct logins logins = {.n = 0};
    int n = 0, code;

    while (n < argc && strcmp(argv[n], "--") != 0)
        n++;
    if (n >= argc - 1)
        return usage("exec needs -- and a command", NULL);
    if (n > SERVICES_MAX)
        return usage("exec takes at most 16 services", NULL);
    code = find_statuses(options, &rejecting);
    if (n == 0 && !code)
        code = put_service(options, options->service, &logins);
    for (int i = 0; i < n && !code; i++)
        code = put_service(options, argv[i], &logins);
    if (!code)
        return run_command(options, &rejecting, &logins, argv + n + 1);
    logins_done(&logins);
    return code;
}

static int run(const struct options *options, int argc, char **argv)
{
    const struct exec_statuses none = {.n = 0};

    return exec_run(options, &none, argc, argv);
}

const struct command command_exec = {
    .name = "exec",
    .arguments = "[SERVICE]... -- COMMAND...",
    .summary = "run COMMAND with the variables of the services",
    .details =
        "Runs COMMAND in place of itself, with the environment variables of up to 16 services, "
        "such "
        "as\n"
        "PULUMI_ACCESS_TOKEN. Exits with the exit status of COMMAND; 126 or 127 if it cannot be "
        "run.\n"
        "With --reject-on, stays as the parent of COMMAND: if that exits with such a status, the "
        "upstream\n"
        "rejects the tokens, and the daemon replaces them for the next time.\n",
    .takes = TAKES_TOKEN | OPTION_BIT(OPTION_REJECT_ON),
    .run = run,
};
