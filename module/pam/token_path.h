/*
 * The file of the service-account token, which may depend on the user: "/etc/podlogin/users/%u".
 *
 * A file that depends on the user is read by root, for a user who is perhaps not authenticated yet.
 * So a user must have no influence on which file that is, beyond the own name.
 */
#ifndef PAM_TOKEN_PATH_H
#define PAM_TOKEN_PATH_H

#include <stdbool.h>

#define TOKEN_PATH_SIZE 4096 /* bytes, with a NUL */

/* Returns whether @template is an absolute path whose percent signs are %u or %%. */
bool token_path_is_valid(const char *template);

/* Returns whether the valid @template has %u. */
bool token_path_has_user(const char *template);

/*
 * Replaces %u by @user and %% by %. If there is a %u, the name must be one that can name a file:
 * letters, digits, and "._-" but no dot first; and the path must be one that only root, or the user
 * of this process, can change: without symbolic links, all its directories and a regular file
 * without further names owned by these users, and writable by no others. In a sticky directory,
 * which others may write to, they cannot replace such a file or directory.
 *
 * @user: NULL if it is not known.
 *
 * Returns NULL, or what is wrong.
 */
const char *token_path_make(const char *template, const char *user, char ret_path[TOKEN_PATH_SIZE]);

#endif
