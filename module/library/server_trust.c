/* Judges a server by its user and by the directory of its socket. */
#include "library/server_trust.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "text/text.h"

void socket_directory(const char *path, char ret_directory[SOCKET_PATH_MAX + 1])
{
    struct text directory = text_in(ret_directory, SOCKET_PATH_MAX + 1);
    const char *slash = strrchr(path, '/');

    if (!slash)
        text_add(&directory, ".", NULL);
    else
        text_add_bytes(&directory, path, slash == path ? 1 : (size_t)(slash - path));
}

/* access() asks for the real user, so its answer counts only if that is the effective one. */
static bool access_is_enough(void)
{
    return getuid() == geteuid() && getgid() == getegid();
}

/* Linux before 5.8 has no faccessat2(): ENOSYS. Old seccomp profiles do not know it: EPERM. */
static enum server_trust directory_judge(const char *path)
{
    char directory[SOCKET_PATH_MAX + 1];
    int r = -1;

    socket_directory(path, directory);
    errno = ENOSYS;
#ifdef SYS_faccessat2
    r = (int)syscall(SYS_faccessat2, AT_FDCWD, directory, W_OK, AT_EACCESS);
#endif
    if (r < 0 && (errno == ENOSYS || errno == EPERM) && access_is_enough())
        r = access(directory, W_OK);
    if (r == 0)
        return SERVER_IN_WRITABLE_DIRECTORY;
    return errno == EACCES || errno == EROFS ? SERVER_TRUSTED : SERVER_IN_UNKNOWN_DIRECTORY;
}

int server_judge(int fd, const char *path, uid_t expected, enum server_trust *ret_trust,
                 uid_t *ret_uid)
{
    struct ucred server;
    socklen_t len = sizeof(server);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &server, &len) < 0)
        return -errno;
    *ret_uid = server.uid;
    *ret_trust = SERVER_TRUSTED;
    if (server.uid != expected)
        *ret_trust = SERVER_OF_ANOTHER_USER;
    else if (geteuid() != 0 && geteuid() != expected)
        *ret_trust = directory_judge(path);
    return 0;
}
