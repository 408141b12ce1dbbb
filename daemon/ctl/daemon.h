/* Asking the running daemon, at the administrator's socket. */
#ifndef CTL_DAEMON_H
#define CTL_DAEMON_H

#include <jansson.h>

#include "config/config.h"
#include "protocol/wire.h"

/*
 * Sends the request @name with @arguments ("NAME=VALUE"), and waits for the answer.
 *
 * @command:  of podloginctl, for errors.
 * @ret_text: set on success only; the caller frees it.
 *
 * Returns EXIT_CODE_OK; or, after printing the error, another exit code.
 */
int ctl_ask(const char *command, const char *socket_path, const char *name,
            const struct wire_list *arguments, char **ret_text);

/* The same for an answer in JSON, of which the caller gets a reference. */
int ctl_ask_json(const char *command, const char *socket_path, const char *name,
                 const struct wire_list *arguments, json_t **ret_json);

/* Prints JSON on standard output. Returns the exit code. */
int ctl_print_json(const char *command, const json_t *json);

#endif
