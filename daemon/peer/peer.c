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
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

#ifndef PID_FS_MAGIC
#define PID_FS_MAGIC 0x50494446 /* from linux/magic.h */
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

/* The last text that was read had cgroup v2 as its only hierarchy. */
static bool is_unified = true;

/*
 * Identifies what a pod was found for, without /proc: the cgroup, where v2 is the only hierarchy; a
 * process elsewhere. The kernel reuses neither number.
 */
struct key {
    uint64_t number; /* 0: not known */
    bool is_process;
};

/*
 * A cache of recently found pods. A cgroup of v2 cannot be moved, so what was found for it never
 * becomes wrong. A process can be moved, by root, and is read again after a while.
 */
#define KNOWN_MAX              256
#define PROCESS_KNOWN_FOR_USEC SECOND_USEC

static struct known {
    struct key key;
    uint64_t until_usec;
    char pod_uid[POD_UID_SIZE];
} known[KNOWN_MAX];

/* Returns 0 if the kernel does not report it, or the process has ended. */
static uint64_t cgroup_id(int pidfd)
{
    static bool has_info = true;
    struct pidfd_info info = {.mask = PIDFD_INFO_PID | PIDFD_INFO_CGROUP};

    if (!has_info)
        return 0;
    if (ioctl(pidfd, PIDFD_INFO, &info) < 0) {
        has_info = errno == ESRCH; /* of a process that has ended; other errors are the kernel's */
        return 0;
    }
    /* for a reaped process, the kernel reports the root cgroup, but no pid */
    return info.mask & PIDFD_INFO_CGROUP && info.mask & PIDFD_INFO_PID && info.pid ? info.cgroupid
                                                                                   : 0;
}

/*
 * Returns the inode number of a pidfd, which no other process gets until the next boot; 0 before
 * Linux 6.9, where all pidfds have the same one, and where inode numbers have 32 bits.
 */
static uint64_t process_id(int pidfd)
{
    static int has_pidfs = -1; /* not known yet */
    struct statfs file_system;
    struct stat st;

    if (has_pidfs < 0)
        has_pidfs = sizeof(long) >= sizeof(uint64_t) && fstatfs(pidfd, &file_system) == 0 &&
                    file_system.f_type == PID_FS_MAGIC;
    return has_pidfs && fstat(pidfd, &st) == 0 ? st.st_ino : 0;
}

static struct key key_of(int pidfd)
{
    uint64_t id = is_unified ? cgroup_id(pidfd) : 0;

    return id ? (struct key){.number = id}
              : (struct key){.number = process_id(pidfd), .is_process = true};
}

static struct known *slot_of(const struct key *key)
{
    return &known[key->number % KNOWN_MAX];
}

static bool recall(const struct key *key, char ret_uid[POD_UID_SIZE])
{
    const struct known *slot = slot_of(key);

    if (!key->number || slot->key.number != key->number ||
        slot->key.is_process != key->is_process ||
        (key->is_process && clock_boot_usec() >= slot->until_usec))
        return false;
    memcpy(ret_uid, slot->pod_uid, POD_UID_SIZE);
    return true;
}

/* The process lived after its cgroup was read, so that was not another one with its pid. */
static void remember(const struct key *key, const struct peer *peer)
{
    struct known *slot = slot_of(key);

    /* the process may have moved to another cgroup between the two reads */
    if (!key->number ||
        (!key->is_process && (!is_unified || cgroup_id(peer->pidfd) != key->number)))
        return;
    slot->key = *key;
    slot->until_usec = clock_boot_usec() + PROCESS_KNOWN_FOR_USEC;
    memcpy(slot->pod_uid, peer->pod_uid, POD_UID_SIZE);
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

static enum peer_state pod_read(pid_t pid, char ret_uid[POD_UID_SIZE])
{
    static const enum peer_state states[] = {
        [CGROUP_POD] = PEER_IN_POD,
        [CGROUP_NO_POD] = PEER_IN_NO_POD,
        [CGROUP_CONTRADICTION] = PEER_CONTRADICTORY,
    };
    static char text[CGROUP_TEXT_MAX]; /* on the stack, the compiler would clear it each time */
    ssize_t len = cgroup_text(pid, text);
    enum peer_state state;

    if (len == -ENAMETOOLONG)
        return PEER_UNREADABLE;
    if (len == -ENOENT || len == -ESRCH) /* /proc may hide processes that run (hidepid=) */
        return kill(pid, 0) < 0 && errno == ESRCH ? PEER_ENDED : PEER_UNSEEN;
    if (len < 0)
        return PEER_UNSEEN;
    state = states[cgroup_read(text, (size_t)len, ret_uid, &is_unified)];
    return state == PEER_IN_NO_POD && is_exiting(pid) ? PEER_ENDED : state;
}

/* Finds the pod of the pinned process. Leaves errno as it was left by a failure to read it. */
static enum peer_state pod_find(struct peer *peer)
{
    struct key key = key_of(peer->pidfd);
    bool is_known = recall(&key, peer->pod_uid);
    enum peer_state state;

    errno = 0;
    state = is_known ? PEER_IN_POD : pod_read(peer->pid, peer->pod_uid);
    if (!peer_lives(peer)) /* if it still runs, its pid was not recycled while we read */
        return PEER_ENDED;
    if (state == PEER_IN_POD && !is_known)
        remember(&key, peer);
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
    bool is_by_pid = false;
    struct ucred credentials;
    socklen_t len = sizeof(credentials);

    *ret_peer = (struct peer){.state = PEER_UNSEEN, .pidfd = -1, .uid = (uid_t)-1};
    if (getsockopt(socket_fd, SOL_SOCKET, SO_PEERCRED, &credentials, &len) < 0)
        return 0;
    ret_peer->pid = credentials.pid;
    ret_peer->uid = credentials.uid;
    if (view == PEER_POD && ret_peer->pid > 0)
        ret_peer->state = pod_read(ret_peer->pid, ret_peer->pod_uid);
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
    ret_peer->state = pod_find(ret_peer);
    if (ret_peer->state == PEER_UNSEEN && is_want(errno)) {
        int r = -errno;

        peer_done(ret_peer);
        return r;
    }
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
    return pod_read(pid, ret_uid);
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
