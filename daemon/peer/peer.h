/*
 * Who is asking, by the word of the kernel: the process at the other end of a connection, and the
 * pod that it runs in.
 *
 * The process is pinned by SO_PEERPIDFD, so that its pid cannot become another's while it is looked
 * at. Kernels before 6.5 have only SO_PEERCRED, so there a process counts only if it is older than
 * the connection: one that got its pid since is not.
 */
#ifndef PEER_H
#define PEER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "peer/cgroup.h"

#define PEER_ERROR_MAX 256

enum peer_state {
    PEER_IN_POD,
    PEER_IN_NO_POD,
    PEER_CONTRADICTORY, /* its cgroups name two pods */
    PEER_ENDED,         /* it was gone before it could be looked at */
    PEER_UNSEEN,        /* its cgroup cannot be read, as from within other namespaces */
};

struct peer {
    enum peer_state state;
    int pidfd; /* -1: none */
    pid_t pid; /* 0: in a PID namespace that is not below ours */
    uid_t uid;
    char pod_uid[POD_UID_SIZE]; /* with PEER_IN_POD */
};

/* How closely a peer is looked at; each costs more than the one before. */
enum peer_view {
    PEER_USER,   /* pid and uid only, as SO_PEERCRED has them */
    PEER_POD,    /* also the pod, of whoever has that pid now: good enough to count by */
    PEER_PINNED, /* the pod of the very process that connected */
};

/*
 * Looks at the peer of a connected socket. It was connected after @after_usec of the boot clock,
 * which counts with PEER_PINNED only.
 *
 * 0, and the caller releases it with peer_done(); -EMFILE, -ENFILE or -ENOMEM: it cannot be looked
 * at for want of those; -EAGAIN: before Linux 6.5, it is too young to be told from one that got its
 * pid, and can be on another connection.
 */
int peer_identify(int socket_fd, enum peer_view view, uint64_t after_usec, struct peer *ret_peer);
void peer_done(struct peer *peer);

/* Whether the process that connected still runs: another may have inherited the connection. */
bool peer_lives(const struct peer *peer);

/*
 * Whether peers can be told here. 0, or -EOPNOTSUPP with a sentence that says what to change.
 */
int peer_check_surroundings(char ret_error[PEER_ERROR_MAX]);

#endif
