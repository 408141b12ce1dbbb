/*
 * Whether a server is trusted to be the daemon: it runs as root, or as the user that the caller
 * named, and the caller's processes cannot replace its socket.
 */
#ifndef LIBRARY_SERVER_TRUST_H
#define LIBRARY_SERVER_TRUST_H

#include <sys/types.h>

enum server_trust {
    SERVER_TRUSTED,
    SERVER_OF_ANOTHER_USER,
    SERVER_IN_WRITABLE_DIRECTORY, /* of the caller: other processes in the pod can write there, too
                                   */
};

/*
 * Judges the server to which the socket @fd is connected at @path. If the caller runs as root or as
 * @expected, it can replace the daemon in any case, so the directory is not checked.
 *
 * @expected: the user that the server must run as.
 * @ret_uid:  the user that it runs as.
 *
 * Returns 0, or -errno of getsockopt(); then neither result is set.
 */
int server_judge(int fd, const char *path, uid_t expected, enum server_trust *ret_trust,
                 uid_t *ret_uid);

#endif
