/* What only the command and the PAM module do with a handle: it is not exported. */
#ifndef LIBRARY_LOGIN_H
#define LIBRARY_LOGIN_H

#include "library/environment.h"
#include "library/podlogin.h"

/*
 * As podlogin_start(), but with the settings of @environment, which are copied, and without a look
 * at the variables: the PAM module runs in programs of root, and cannot know who set theirs.
 * Without podlogin_set_token_file(), the library still looks for the file as subject_token_read()
 * describes.
 */
enum podlogin_status login_start(const struct environment *environment,
                                 struct podlogin **ret_login);

/*
 * Says that the caller asks once: the daemon closes the connection behind its answer, which costs
 * it less. Each further request connects again.
 */
void login_asks_once(struct podlogin *login);

#endif
