/* What every command begins with: a handle with the settings of the options, perhaps a token. */
#ifndef LOGIN_H
#define LOGIN_H

#include "command/options.h"
#include "library/podlogin.h"

/*
 * Opens a handle for @service (NULL: the library's default). Returns EXIT_CODE_OK, or another exit
 * code after the error has been printed. The caller ends the handle with podlogin_end().
 */
int login_open(const struct options *options, const char *service, struct podlogin **ret_login);

/* As login_open(), then asks for a token; the caller frees it with podlogin_token_free(). */
int login_fetch(const struct options *options, const char *service,
                struct podlogin_token **ret_token, struct podlogin **ret_login);

#endif
