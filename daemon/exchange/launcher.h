/*
 * How the broker gets a connection to an exchanger. There are two exchangers, one for each kind of
 * server, so that an upstream that takes one over cannot forge an issuer's keys.
 *
 * Either the service manager or a container runs them, at sockets in a directory; or a child of the
 * broker starts them. That child is forked before the broker holds a secret and confines itself, so
 * that the broker never has to execute anything (docs/decisions/0027).
 */
#ifndef EXCHANGE_LAUNCHER_H
#define EXCHANGE_LAUNCHER_H

#include <sys/types.h>

enum exchanger_role {
    EXCHANGER_ISSUERS,   /* fetches keys, and reviews tokens at the API server */
    EXCHANGER_UPSTREAMS, /* exchanges tokens */
    EXCHANGER_PROGRAMS,  /* has programs of the administrator exchange tokens */
    EXCHANGERS,
};

/* "issuers", "upstreams", "programs": in log lines, and the names of their sockets without ".sock".
 */
extern const char *const exchanger_names[EXCHANGERS];

struct launcher {
    const char *directory; /* of the sockets; NULL: the child starts exchangers */
    const char *program;
    int fd; /* the child's socket; or -1 */
    pid_t pid;
};

/*
 * Checks that @program can be executed, and forks the child that starts it.
 *
 * @program: must outlive the launcher.
 *
 * Returns 0 or -errno. The caller calls launcher_done() in both cases.
 */
int launcher_init(struct launcher *launcher, const char *program);

/* Uses the sockets "issuers.sock" and "upstreams.sock" in @directory, which must outlive it. */
void launcher_init_sockets(struct launcher *launcher, const char *directory);

/*
 * Starts the exchanger of @role, or connects to it. An earlier one of this role that was started is
 * killed.
 *
 * @ret_fd: a SOCK_SEQPACKET socket, on success only. The exchanger ends when it is closed.
 *
 * Never waits. Returns 0; -EPIPE: the child has ended, and no exchanger can be started any more; or
 * another -errno.
 */
int launcher_connect(struct launcher *launcher, enum exchanger_role role, int *ret_fd);

/* Ends the child and its exchangers. */
void launcher_done(struct launcher *launcher);

#endif
