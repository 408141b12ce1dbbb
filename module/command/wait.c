/* podlogin wait: waits until the daemon answers. */
#include "command/commands.h"

#include "command/login.h"
#include "command/print.h"

static int run(const struct options *options, int argc, char **argv)
{
    enum podlogin_status status;
    struct podlogin *login = NULL;
    int code;

    if (argc > 0)
        return usage("wait takes no service", argv[0]);
    code = login_open(options, options->service, &login);
    if (code)
        return code;
    status = podlogin_wait(login);
    if (status != PODLOGIN_OK)
        code = report(login, "wait", status);
    podlogin_end(login);
    return code;
}

const struct command command_wait = {
    .name = "wait",
    .arguments = "",
    .summary = "wait until the daemon answers",
    .details =
        "Returns when the daemon answers, or after the timeout. Needs no service-account token.\n",
    .takes = TAKES_CONNECTION,
    .run = run,
};
