/* The private directory from which programs read the token as a file. */
#ifndef COMMAND_DIRECTORY_H
#define COMMAND_DIRECTORY_H

#include "library/podlogin.h"
#include "text/text.h"

#define DIRECTORY_PATH_SIZE 4096 /* bytes of a path, with a NUL */

/*
 * Makes the directory of @token, or finds the one that an earlier process of this user made, and
 * replaces its files.
 *
 * The path depends on the user, and on the login that the daemon named, not on the process: the
 * command that is executed next outlives this program, so nobody removes the directory. It is on
 * tmpfs if a tmpfs can be written to. A directory of another user, or one that others may enter, is
 * not used.
 *
 * @ret_path: the path of the directory, or on failure the last one that was tried.
 *
 * Returns 0 or -errno. EPERM: the directory is not private.
 */
int directory_write(const struct podlogin_token *token, char ret_path[DIRECTORY_PATH_SIZE]);

#endif
