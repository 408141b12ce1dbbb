/* Asking the running daemon at the administrator's socket. Blocks. */
#ifndef ADMIN_ASK_H
#define ADMIN_ASK_H

#include "protocol/status.h"
#include "protocol/wire.h"

#define ASK_ERROR_MAX 65536

/*
 * Sends the request @name with @arguments ("NAME=VALUE"; NULL: none), and waits for the answer.
 *
 * @timeout_s: for each step.
 * @ret_text:  set on success only; the caller frees it.
 * @ret_error: on failure, what is wrong.
 *
 * Returns EXIT_CODE_OK; EXIT_CODE_UNREACHABLE; EXIT_CODE_REFUSED: no permission; EXIT_CODE_FAULT:
 * no or a wrong answer; or the exit code that the daemon answers with.
 */
enum exit_code admin_ask(const char *socket_path, unsigned timeout_s, const char *name,
                         const struct wire_list *arguments, char **ret_text,
                         char ret_error[ASK_ERROR_MAX]);

#endif
