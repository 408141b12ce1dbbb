/*
 * Whether the daemon may be believed: it runs as root, or as the user that the caller named, and
 * the caller could not have put a socket of his own in its place.
 */
#ifndef SERVER_TRUST_H
#define SERVER_TRUST_H

#include <sys/types.h>

enum server_trust {
    SERVER_TRUSTED,
    SERVER_OF_ANOTHER_USER,
    SERVER_IN_WRITABLE_DIRECTORY,
};

/*
 * Looks at the server behind the connected socket @fd at @path. Root, and the server's
 * user himself, can replace the daemon in any case, so for them the directory tells nothing.
 *
 * @ret_uid: the server's, with SERVER_OF_ANOTHER_USER. 0 or -errno.
 */
int server_judge(int fd, const char *path, uid_t expected, enum server_trust *ret_trust,
                 uid_t *ret_uid);

#endif
