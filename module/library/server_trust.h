/*
 * Whether a server is trusted to be the daemon: it runs as root, or as the user that the caller
 * named, and the caller's processes cannot replace its socket.
 */
#ifndef LIBRARY_SERVER_TRUST_H
#define LIBRARY_SERVER_TRUST_H

#include <sys/types.h>

#define SOCKET_PATH_MAX 107 /* bytes of sun_path before its NUL */

enum server_trust {
    SERVER_TRUSTED,
    SERVER_OF_ANOTHER_USER,
    SERVER_IN_WRITABLE_DIRECTORY, /* by the caller, and so by other processes in the pod */
    SERVER_IN_UNKNOWN_DIRECTORY,  /* cannot find out whether the caller can write there */
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

/* Writes the directory of the socket at @path, of at most SOCKET_PATH_MAX bytes: "." if it names
 * none. */
void socket_directory(const char *path, char ret_directory[SOCKET_PATH_MAX + 1]);

#endif
