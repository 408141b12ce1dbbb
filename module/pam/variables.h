/* The variables of a token in the environment that PAM keeps for a session. */
#ifndef PAM_VARIABLES_H
#define PAM_VARIABLES_H

#include <security/pam_modules.h>

#include "library/podlogin.h"

/*
 * Returns what hinders @token from being put, or NULL: the service has no variable for it and
 * @variable is NULL; or @variable is a further one of the service.
 */
const char *variables_problem(const struct podlogin_token *token, const char *variable);

/*
 * Removes the variables that @token wants unset, then sets its own. If one cannot be set, removes
 * those that were.
 *
 * @variable: gets the token itself; NULL: the service's own variable gets it.
 *
 * Returns PAM_SUCCESS or the error of pam_putenv().
 */
int variables_put(pam_handle_t *pamh, const struct podlogin_token *token, const char *variable);

/*
 * Wipes and removes the variables that variables_put() has set. One whose value is another by now
 * belongs to somebody else, and stays.
 *
 * Returns PAM_SUCCESS, or the error of pam_putenv(), after it has removed the other variables.
 */
int variables_remove(pam_handle_t *pamh, const struct podlogin_token *token, const char *variable);

#endif
