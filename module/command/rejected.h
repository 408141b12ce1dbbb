/* The token that the upstream rejects, for --rejected. */
#ifndef COMMAND_REJECTED_H
#define COMMAND_REJECTED_H

#include "command/options.h"
#include "library/podlogin.h"

/*
 * Tells the daemon that the upstream rejects a token, and gets another one. The token is read from
 * standard input if that is a file or a pipe with something in it, or else from the service's
 * variable.
 *
 * Returns as login_fetch().
 */
int rejected_replace(const struct options *options, const char *service,
                     struct podlogin_token **ret_token, struct podlogin **ret_login);

#endif
