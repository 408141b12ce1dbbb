#include "exchange/launcher.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "exchange/starter.h"

#define STARTER_TIMEOUT_S 5

const char *const exchanger_names[EXCHANGERS] = {
    [EXCHANGER_ISSUERS] = "issuers",
    [EXCHANGER_UPSTREAMS] = "upstreams",
};

int launcher_init(struct launcher *launcher, const char *program)
{
    const struct timeval timeout = {.tv_sec = STARTER_TIMEOUT_S};
    int pair[2];

    *launcher = (struct launcher){.program = program, .fd = -1};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    launcher->pid = fork();
    if (launcher->pid == 0)
        _exit(starter_run(pair[1], program));
    close(pair[1]);
    launcher->fd = pair[0];
    if (launcher->pid < 0)
        return -errno;
    /* should the child hang, the broker goes on serving from its cache */
    return setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ? -errno : 0;
}

void launcher_init_sockets(struct launcher *launcher, const char *directory)
{
    *launcher = (struct launcher){.directory = directory, .fd = -1};
}

static int connect_to(const char *directory, const char *name, int *ret_fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    CLEANUP(fd_closep)
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    if ((size_t)snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s.sock", directory,
                         name) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return -errno;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

/* Sends one end of a socket pair to the child, and receives how its start went. */
static int start(struct launcher *launcher, enum exchanger_role role, int *ret_fd)
{
    int pair[2], result;
    ssize_t n = -1;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    result = starter_ask(launcher->fd, role, pair[1]);
    close(pair[1]);
    if (result == 0) {
        n = recv(launcher->fd, &result, sizeof(result), 0);
        if (n != (ssize_t)sizeof(result))
            result = n < 0 ? -errno : -EPIPE;
    }
    if (result < 0) {
        close(pair[0]);
        return result;
    }
    *ret_fd = pair[0];
    return 0;
}

int launcher_connect(struct launcher *launcher, enum exchanger_role role, int *ret_fd)
{
    return launcher->directory ? connect_to(launcher->directory, exchanger_names[role], ret_fd)
                               : start(launcher, role, ret_fd);
}

void launcher_done(struct launcher *launcher)
{
    if (launcher->fd >= 0)
        close(launcher->fd);
    if (launcher->pid > 0)
        while (waitpid(launcher->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    *launcher = (struct launcher){.fd = -1};
}
