#include "exchange/launcher.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "exchange/starter.h"

#define END_PAUSE_USEC 5000
#define END_TRIES      200

const char *const exchanger_names[EXCHANGERS] = {
    [EXCHANGER_ISSUERS] = "issuers",
    [EXCHANGER_UPSTREAMS] = "upstreams",
    [EXCHANGER_PROGRAMS] = "programs",
};

int launcher_init(struct launcher *launcher, const char *program)
{
    int pair[2];

    *launcher = (struct launcher){.program = program, .fd = -1};
    if (access(program, X_OK) < 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    launcher->pid = fork();
    if (launcher->pid == 0)
        _exit(starter_run(pair[1], program));
    close(pair[1]);
    launcher->fd = pair[0];
    return launcher->pid < 0 ? -errno : 0;
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

/*
 * Sends one end of a socket pair to the child, and does not wait for it: jobs can be sent at once.
 * If the exchanger cannot be started, the child closes that end.
 */
static int start(struct launcher *launcher, enum exchanger_role role, int *ret_fd)
{
    int pair[2], r;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    r = starter_ask(launcher->fd, role, pair[1]);
    close(pair[1]);
    if (r < 0)
        close(pair[0]);
    else
        *ret_fd = pair[0];
    return r == -ECONNRESET ? -EPIPE : r; /* it ended with requests that it had not read */
}

int launcher_connect(struct launcher *launcher, enum exchanger_role role, int *ret_fd)
{
    return launcher->directory ? connect_to(launcher->directory, exchanger_names[role], ret_fd)
                               : start(launcher, role, ret_fd);
}

/*
 * The child ends its exchangers when it sees the end. If it hangs, the kernel kills it when the
 * daemon ends (PR_SET_PDEATHSIG): the daemon itself may send no signals.
 */
static void wait_for_child(pid_t pid)
{
    for (int i = 0; i < END_TRIES; i++) {
        pid_t r = waitpid(pid, NULL, WNOHANG);

        if (r == pid || (r < 0 && errno != EINTR))
            return;
        usleep(END_PAUSE_USEC);
    }
}

void launcher_done(struct launcher *launcher)
{
    if (launcher->fd >= 0)
        close(launcher->fd);
    if (launcher->pid > 0)
        wait_for_child(launcher->pid);
    *launcher = (struct launcher){.fd = -1};
}
