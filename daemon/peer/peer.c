#include "peer/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

#define SHORT_READ            2048 /* a shorter read of a file in procfs is the last one */
#define CGROUP_TEXT_MAX       16384
#define PROCESS_IS_EXITING    0x00000004u /* the kernel's PF_EXITING */
#define INITIAL_PID_NAMESPACE 0xEFFFFFFCu /* the kernel's PROC_PID_INIT_INO */

/* From linux/pidfd.h, in its first version (Linux 6.13). */
struct pidfd_info {
    uint64_t mask;
    uint64_t cgroupid;
    uint32_t pid, tgid, ppid;
    uint32_t ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
    int32_t exit_code;
};

#define PIDFD_INFO        _IOWR(0xFF, 11, struct pidfd_info)
#define PIDFD_INFO_PID    (UINT64_C(1) << 0)
#define PIDFD_INFO_CGROUP (UINT64_C(1) << 2)

/*
 * A cache of recently found pods, keyed by the id of the cgroup. The kernel does not reuse these
 * ids, and a cgroup of v2 cannot be moved, so an entry never becomes wrong.
 */
#define KNOWN_MAX 256

static struct known {
    uint64_t cgroup; /* 0: the slot is free */
    char pod_uid[POD_UID_SIZE];
} known[KNOWN_MAX];

/* Returns 0 if the kernel does not report it, or the process has ended. */
static uint64_t cgroup_id(int pidfd)
{
    struct pidfd_info info = {.mask = PIDFD_INFO_PID | PIDFD_INFO_CGROUP};

    if (ioctl(pidfd, PIDFD_INFO, &info) < 0)
        return 0;
    /* for a reaped process, the kernel reports the root cgroup, but no pid */
    return info.mask & PIDFD_INFO_CGROUP && info.mask & PIDFD_INFO_PID && info.pid ? info.cgroupid
                                                                                   : 0;
}

static ssize_t cgroup_text(pid_t pid, char text[CGROUP_TEXT_MAX])
{
    char path[32];
    size_t len = 0;
    ssize_t n = SHORT_READ;
    CLEANUP(fd_closep)
    int fd = -1;

    snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return -errno;
    while (n >= SHORT_READ && len < CGROUP_TEXT_MAX) {
        n = read(fd, text + len, CGROUP_TEXT_MAX - len);
        len += n > 0 ? (size_t)n : 0;
    }
    if (n < 0)
        return -errno;
    return len < CGROUP_TEXT_MAX
               ? (ssize_t)len
               : -ENAMETOOLONG; /* a truncated text may lack the line with the pod */
}

/* Reads the flags and the start, in clock ticks, from /proc/PID/stat (fields 9 and 22; proc(5)). */
static bool stat_read(pid_t pid, unsigned *ret_flags, unsigned long long *ret_start)
{
    char path[32], text[1024];
    const char *at;
    ssize_t n;
    CLEANUP(fd_closep)
    int fd = -1;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (n < 0)
        return false;
    text[n] = '\0';
    at = strrchr(text, ')'); /* the name in parentheses is chosen by the process */
    return at &&
           sscanf(at,
                  ") %*c %*d %*d %*d %*d %*d %u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d "
                  "%llu",
                  ret_flags, ret_start) == 2;
}

/* A process that exits is outside of pods for the kernel, with cgroup v1. */
static bool is_exiting(pid_t pid)
{
    unsigned long long start;
    unsigned flags;

    return !stat_read(pid, &flags, &start) || flags & PROCESS_IS_EXITING;
}

static enum peer_state pod_read(pid_t pid, char ret_uid[POD_UID_SIZE], bool *ret_is_unified)
{
    static const enum peer_state states[] = {
        [CGROUP_POD] = PEER_IN_POD,
        [CGROUP_NO_POD] = PEER_IN_NO_POD,
        [CGROUP_CONTRADICTION] = PEER_CONTRADICTORY,
    };
    char text[CGROUP_TEXT_MAX];
    ssize_t len = cgroup_text(pid, text);
    enum peer_state state;

    if (len == -ENAMETOOLONG)
        return PEER_UNREADABLE;
    if (len == -ENOENT || len == -ESRCH) /* /proc may hide processes that run (hidepid=) */
        return kill(pid, 0) < 0 && errno == ESRCH ? PEER_ENDED : PEER_UNSEEN;
    if (len < 0)
        return PEER_UNSEEN;
    state = states[cgroup_read(text, (size_t)len, ret_uid, ret_is_unified)];
    return state == PEER_IN_NO_POD && is_exiting(pid) ? PEER_ENDED : state;
}

static enum peer_state pod_find(struct peer *peer)
{
    uint64_t id = cgroup_id(peer->pidfd);
    struct known *slot = &known[id % KNOWN_MAX];
    enum peer_state state;
    bool is_unified = false;

    if (id && slot->cgroup == id) {
        memcpy(peer->pod_uid, slot->pod_uid, sizeof(peer->pod_uid));
        return PEER_IN_POD;
    }
    state = pod_read(peer->pid, peer->pod_uid, &is_unified);
    /* the process may have moved to another cgroup between the two reads */
    if (state == PEER_IN_POD && is_unified && id && cgroup_id(peer->pidfd) == id) {
        slot->cgroup = id;
        memcpy(slot->pod_uid, peer->pod_uid, sizeof(slot->pod_uid));
    }
    return state;
}

/*
 * Returns a pidfd; or -1 with errno, which is ESRCH if the process has ended. Sets @ret_is_by_pid
 * if the pidfd was opened by pid, which may have been recycled.
 */
static int pin(int socket_fd, pid_t pid, bool *ret_is_by_pid)
{
    socklen_t len = sizeof(int);
    int fd;

    if (getsockopt(socket_fd, SOL_SOCKET, SO_PEERPIDFD, &fd, &len) == 0)
        return fd;
    if (errno == EINVAL)
        errno = ESRCH; /* Linux 6.5 reports a reaped process like this */
    if (errno != ENOPROTOOPT || pid <= 0)
        return -1;
    *ret_is_by_pid = true;
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

/*
 * Returns whether the process with this pid started before @usec of the boot clock. A process that
 * reuses the pid of the one that connected started after the connection was made.
 */
static bool began_before(pid_t pid, uint64_t usec)
{
    uint64_t tick_usec = SECOND_USEC / (uint64_t)sysconf(_SC_CLK_TCK);
    unsigned long long start;
    unsigned flags;

    return stat_read(pid, &flags, &start) && start < usec / tick_usec;
}

static bool is_want(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM;
}

int peer_identify(int socket_fd, enum peer_view view, uint64_t after_usec, struct peer *ret_peer)
{
    bool is_by_pid = false, is_unified;
    struct ucred credentials;
    socklen_t len = sizeof(credentials);

    *ret_peer = (struct peer){.state = PEER_UNSEEN, .pidfd = -1, .uid = (uid_t)-1};
    if (getsockopt(socket_fd, SOL_SOCKET, SO_PEERCRED, &credentials, &len) < 0)
        return 0;
    ret_peer->pid = credentials.pid;
    ret_peer->uid = credentials.uid;
    if (view == PEER_POD && ret_peer->pid > 0)
        ret_peer->state = pod_read(ret_peer->pid, ret_peer->pod_uid, &is_unified);
    if (view != PEER_PINNED)
        return 0;
    ret_peer->pidfd = pin(socket_fd, credentials.pid, &is_by_pid);
    if (ret_peer->pidfd < 0) {
        ret_peer->state = errno == ESRCH ? PEER_ENDED : PEER_UNSEEN;
        return is_want(errno) ? -errno : 0;
    }
    if (ret_peer->pid <= 0)
        return 0;
    if (is_by_pid && !began_before(ret_peer->pid, after_usec) && peer_lives(ret_peer)) {
        peer_done(ret_peer);
        return -EAGAIN;
    }
    errno = 0;
    ret_peer->state = pod_find(ret_peer);
    if (ret_peer->state == PEER_UNSEEN && is_want(errno)) {
        int r = -errno;

        peer_done(ret_peer);
        return r;
    }
    if (!peer_lives(ret_peer)) /* if it still runs, its pid was not recycled while we read */
        ret_peer->state = PEER_ENDED;
    return 0;
}

void peer_done(struct peer *peer)
{
    if (peer->pidfd >= 0)
        close(peer->pidfd);
    peer->pidfd = -1;
}

/* A pidfd is readable once the process has terminated, reaped or not (pidfd_open(2)). */
bool peer_lives(const struct peer *peer)
{
    struct pollfd pollfd = {.fd = peer->pidfd, .events = POLLIN};

    return peer->pidfd >= 0 && poll(&pollfd, 1, 0) == 0;
}

static bool maps_all_users(void)
{
    FILE *file = fopen("/proc/self/uid_map", "re");
    unsigned long inside, outside, count;
    bool is_whole;

    if (!file)
        return false;
    is_whole = fscanf(file, "%lu %lu %lu", &inside, &outside, &count) == 3 && inside == 0 &&
               outside == 0 && count == UINT32_MAX;
    fclose(file);
    return is_whole;
}

/*
 * Returns whether the daemon is in a PID namespace of a container. If pid 1 runs in a pod, it is
 * the container's init.
 */
static bool is_in_own_pid_namespace(const char *pod_of_init)
{
    struct stat st;

    if (stat("/proc/self/ns/pid", &st) == 0 && st.st_ino == INITIAL_PID_NAMESPACE)
        return false;
    return getpid() == 1 || pod_of_init[0];
}

enum peer_state peer_look(pid_t pid, char ret_uid[POD_UID_SIZE])
{
    bool is_unified;

    return pod_read(pid, ret_uid, &is_unified);
}

bool peer_is_pinnable(void)
{
    int pair[2], fd;
    socklen_t len = sizeof(fd);
    bool is_pinnable;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return false;
    is_pinnable = getsockopt(pair[0], SOL_SOCKET, SO_PEERPIDFD, &fd, &len) == 0;
    if (is_pinnable)
        close(fd);
    close(pair[0]);
    close(pair[1]);
    return is_pinnable;
}

struct peer_obstacle peer_find_obstacle(void)
{
    char self[16] = "", expected[16], pod_of_init[POD_UID_SIZE] = "";
    enum peer_state state;

    snprintf(expected, sizeof(expected), "%d", (int)getpid());
    if (readlink("/proc/self", self, sizeof(self) - 1) < 0 || strcmp(self, expected) != 0)
        return (struct peer_obstacle){"/proc is not mounted, or is of another PID namespace",
                                      "give the daemon the node's /proc"};
    if (!maps_all_users())
        return (struct peer_obstacle){"the daemon runs in a user namespace",
                                      "run it on the node itself, without PrivateUsers=yes"};
    state = peer_look(1, pod_of_init);
    if (state == PEER_ENDED || state == PEER_UNSEEN)
        return (struct peer_obstacle){"the daemon cannot read the cgroups of other processes",
                                      "run it without ProtectProc=invisible and hidepid="};
    if (is_in_own_pid_namespace(state == PEER_IN_POD ? pod_of_init : ""))
        return (struct peer_obstacle){
            "the daemon runs in its own PID namespace and cannot see its peers",
            "set hostPID: true"};
    return (struct peer_obstacle){0};
}

int peer_check_surroundings(char ret_error[PEER_ERROR_MAX])
{
    struct peer_obstacle obstacle = peer_find_obstacle();

    if (!obstacle.what)
        return 0;
    snprintf(ret_error, PEER_ERROR_MAX,
             "PeerAttestation=enforce cannot work here: %s: %s (or set PeerAttestation=off)",
             obstacle.what, obstacle.remedy);
    return -EOPNOTSUPP;
}
