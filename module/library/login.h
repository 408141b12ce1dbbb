/*
 * A handle for a guest whose environment may be another's: the PAM module runs in programs of root,
 * and cannot know who set their variables.
 */
#ifndef LIBRARY_LOGIN_H
#define LIBRARY_LOGIN_H

#include "library/environment.h"
#include "library/podlogin.h"

/*
 * As podlogin_start(), but with the settings of @environment, which are copied, and without a look
 * at the variables. Without podlogin_set_token_file(), the library still looks for the file as
 * subject_token_read() describes.
 */
enum podlogin_status login_start(const struct environment *environment,
                                 struct podlogin **ret_login);

#endif
