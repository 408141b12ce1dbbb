#include "ctl/daemon.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "admin/ask.h"
#include "base/cleanup.h"
#include "ctl/ctl.h"

#define TIMEOUT_S 60 /* a purge waits for the disk */

int ctl_ask(const char *command, const char *socket_path, const char *name,
            const struct wire_list *arguments, char **ret_text)
{
    static char error[ASK_ERROR_MAX];
    enum exit_code code = admin_ask(socket_path, TIMEOUT_S, name, arguments, ret_text, error);

    return code == EXIT_CODE_OK ? EXIT_CODE_OK : ctl_fail(code, command, "%s", error);
}

int ctl_ask_json(const char *command, const char *socket_path, const char *name,
                 const struct wire_list *arguments, json_t **ret_json)
{
    CLEANUP(freep)
    char *text = NULL;
    int code = ctl_ask(command, socket_path, name, arguments, &text);

    if (code != EXIT_CODE_OK)
        return code;
    *ret_json = json_loads(text, 0, NULL);
    return *ret_json ? EXIT_CODE_OK
                     : ctl_fail(EXIT_CODE_FAULT, command, "the daemon's answer is not JSON");
}

int ctl_print_json(const char *command, const json_t *json)
{
    return json_dumpf(json, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER) == 0 &&
                   putchar('\n') != EOF
               ? EXIT_CODE_OK
               : ctl_fail(EXIT_CODE_FAULT, command, "standard output: %s", strerror(errno));
}
