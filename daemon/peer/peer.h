/*
 * The peer of a connection as the kernel identifies it: the process, its user, and the pod that it
 * runs in.
 *
 * The process is pinned with SO_PEERPIDFD, so that its pid cannot be recycled while it is examined.
 * Kernels before 6.5 have only SO_PEERCRED. There, a process is accepted only if it is older than
 * the connection, because a process with a recycled pid is younger.
 */
#ifndef PEER_PEER_H
#define PEER_PEER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "peer/cgroup.h"

#define PEER_ERROR_MAX 256

enum peer_state {
    PEER_IN_POD,
    PEER_IN_NO_POD,
    PEER_CONTRADICTORY, /* its cgroups name two pods */
    PEER_UNREADABLE, /* the paths of its cgroups are longer than the daemon or the kernel reads */
    PEER_ENDED,      /* it ended before it could be examined */
    PEER_UNSEEN, /* its cgroup was not read: not requested, or not visible from our namespaces */
    PEER_STATES,
};

struct peer {
    enum peer_state state;
    int pidfd;                  /* -1: none */
    pid_t pid;                  /* 0: unknown, or not visible in our PID namespace */
    uid_t uid;                  /* -1: unknown */
    char pod_uid[POD_UID_SIZE]; /* with PEER_IN_POD */
};

/* How closely a peer is examined. Each level costs more than the one before. */
enum peer_view {
    PEER_USER,   /* pid and uid only, by SO_PEERCRED */
    PEER_POD,    /* also the pod, by the pid, which may be recycled: good enough for quotas */
    PEER_PINNED, /* also the pod, of exactly the process that connected */
};

/*
 * Identifies the peer of a connected socket.
 *
 * @after_usec: a time of the boot clock, after which the connection was made; used with PEER_PINNED
 *              only.
 * @ret_peer:   set in each case. What could not be found out is in its state.
 *
 * Returns 0, and the caller releases the peer with peer_done(); -EMFILE, -ENFILE or -ENOMEM if
 * these resources ran out; -EAGAIN if, before Linux 6.5, the process is so young that its pid may
 * have been recycled: a later connection of the same process can succeed.
 */
int peer_identify(int socket_fd, enum peer_view view, uint64_t after_usec, struct peer *ret_peer);

/* Closes the pidfd, if there is one. */
void peer_done(struct peer *peer);

/*
 * Returns whether the pinned process still runs. If it does not, another process may have inherited
 * the connection. False if the peer is not pinned.
 */
bool peer_lives(const struct peer *peer);

/*
 * Finds the pod of the process with this pid. The result may be about another process, if the pid
 * is recycled during the call. @ret_uid is set with PEER_IN_POD only.
 */
enum peer_state peer_look(pid_t pid, char ret_uid[POD_UID_SIZE]);

/* Returns whether the kernel pins peers: SO_PEERPIDFD. Linux has it since 6.5. */
bool peer_is_pinnable(void);

/* Why peers cannot be identified, and what to change. */
struct peer_obstacle {
    const char *what; /* NULL: nothing hinders it */
    const char *remedy;
};

/* Finds out whether peers can be identified in the namespaces of this process. */
struct peer_obstacle peer_find_obstacle(void);

/*
 * Checks whether the daemon can identify peers in its namespaces.
 *
 * @ret_error: on failure, a sentence that says what to change.
 *
 * Returns 0 or -EOPNOTSUPP.
 */
int peer_check_surroundings(char ret_error[PEER_ERROR_MAX]);

#endif
