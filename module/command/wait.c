/* podlogin wait: waits until the daemon answers. */
#include "command/commands.h"

#include "command/login.h"
#include "command/print.h"

int command_wait(const struct options *options, int argc, char **argv)
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
