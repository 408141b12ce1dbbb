/* The first step of every command: opens a handle with the settings of the options. */
#ifndef COMMAND_LOGIN_H
#define COMMAND_LOGIN_H

#include "command/options.h"
#include "library/podlogin.h"

/*
 * Opens a handle for @service; NULL means the default of the library. Returns EXIT_CODE_OK, or
 * prints the error and returns another exit code. The caller closes the handle with podlogin_end().
 */
int login_open(const struct options *options, const char *service, struct podlogin **ret_login);

/* Gets a token, which the caller frees, or prints the error. Returns the status. */
enum podlogin_status login_token(const struct options *options, struct podlogin *login,
                                 struct podlogin_token **ret_token);

/* Opens a handle as login_open() does, and gets a token; the caller frees both. */
int login_fetch(const struct options *options, const char *service,
                struct podlogin_token **ret_token, struct podlogin **ret_login);

#endif
