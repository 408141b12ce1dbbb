/* Gets a token as the arguments say: all that the module does before it touches PAM. */
#ifndef PAM_FETCH_H
#define PAM_FETCH_H

#include "library/podlogin.h"
#include "pam/arguments.h"
#include "text/text.h"

/*
 * Blocks until the timeout at most.
 *
 * @user:      replaces %u of the token file; NULL if it is not known.
 * @ret_token: set on PODLOGIN_OK only; the caller frees it with podlogin_token_free().
 * @why:       what is wrong is appended to it otherwise: one line, without secrets.
 *
 * Returns the statuses of podlogin_start() and podlogin_authenticate().
 */
enum podlogin_status token_fetch(const struct arguments *arguments, const char *user,
                                 struct podlogin_token **ret_token, struct text *why);

#endif
