/* Judges a server by its user and by the directory of its socket. */
#include "library/server_trust.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static int directory_is_writable(const char *path)
{
    char directory[sizeof(((struct sockaddr_un *)0)->sun_path)] = ".";
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;

    if (len >= sizeof(directory))
        return 1;
    if (slash) {
        memcpy(directory, len ? path : "/", len ? len : 1);
        directory[len ? len : 1] = '\0';
    }
#ifdef SYS_faccessat2
    if (syscall(SYS_faccessat2, AT_FDCWD, directory, W_OK, AT_EACCESS) == 0)
        return 1;
    if (errno != ENOSYS)
        return 0;
#endif
    return access(directory, W_OK) == 0; /* Linux before 5.8: this checks the real uid */
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
    else if (geteuid() != 0 && geteuid() != expected && directory_is_writable(path))
        *ret_trust = SERVER_IN_WRITABLE_DIRECTORY;
    return 0;
}
