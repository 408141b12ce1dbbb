/*
 * The file from which the Pulumi CLI reads its accounts, credentials.json. The CLI locks the file
 * itself with flock(2), and writes it in place; so it is not replaced by another file.
 */
#ifndef COMMAND_CREDENTIALS_H
#define COMMAND_CREDENTIALS_H

#include "library/deadline.h"
#include "library/podlogin.h"

#define CREDENTIALS_PATH_SIZE 4096

/*
 * Writes the path of the file: in $PULUMI_CREDENTIALS_PATH, $PULUMI_HOME or ~/.pulumi. Makes the
 * directory if it does not exist.
 *
 * Returns 0 or -errno; -ENOENT: no variable names a directory.
 */
int credentials_path(char ret_path[CREDENTIALS_PATH_SIZE]);

/* Returns the content that the token has for the file, a JSON object; NULL: it has none. */
const char *credentials_of(const struct podlogin_token *token);

/*
 * Puts the accounts of @content into the file at @path, and makes its backend the current one. All
 * else in the file stays as it is. Waits for the lock until the deadline.
 *
 * Returns 0; -EEXIST: the accounts are there, and @only_missing is set, so nothing was written;
 * -EBADMSG: the file is not one of the CLI; -ENOTSUP: the CLI has encrypted it; -EFBIG; -ETIME: the
 * lock is held; -ECANCELED; or another -errno. The file is unchanged after an error, but for one
 * that is particular to its disk.
 */
int credentials_write(const char *path, const char *content, bool only_missing,
                      const struct deadline *deadline);

/* Returns what an error of the functions above means. */
const char *credentials_strerror(int r);

#endif
