#include "exchanger/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "exchange/job.h"

#define BACKLOG      8
#define CHILDREN_MAX 8 /* the broker has one connection, and another if it gives up the first */
#define PAUSE_USEC   100000

/* What an earlier container left is replaced; the broker connects to the new socket then. */
static int open_listener(const char *path, int *ret_fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    CLEANUP(fd_closep)
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    struct stat st;

    if (fd < 0)
        return -errno;
    if ((size_t)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path) >=
        sizeof(address.sun_path))
        return -ENAMETOOLONG;
    if (!*path) /* a socket without a name could be reached by everybody */
        return -EINVAL;
    if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
        return -EEXIST;
    if (unlink(path) < 0 && errno != ENOENT)
        return -errno;
    umask(0117);
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, BACKLOG) < 0)
        return -errno;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

/* In the child. */
static int take(int listener, int connection)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(listener);
    if (connection == JOB_SOCKET_FD)
        return 0;
    if (dup3(connection, JOB_SOCKET_FD, O_CLOEXEC) < 0)
        return -errno;
    close(connection);
    return 0;
}

int exchanger_listen(const char *path)
{
    int listener = -1, n_children = 0, r = open_listener(path, &listener);

    if (r < 0)
        return r;
    for (;;) {
        int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        pid_t pid;

        while (n_children > 0 && waitpid(-1, NULL, WNOHANG) > 0)
            n_children--;
        if (connection >= 0 && n_children >= CHILDREN_MAX) {
            close(connection);
            continue;
        }
        pid = connection < 0 ? -1 : fork();
        if (pid == 0)
            return take(listener, connection);
        n_children += pid > 0;
        if (connection >= 0)
            close(connection);
        if (pid < 0)
            usleep(PAUSE_USEC); /* memory or descriptors ran out; the broker tries again */
    }
}
