/*
 * The process that starts exchangers for the broker, and holds nothing else. Each request has the
 * exchanger's role and its end of a socket pair, which is closed if the exchanger cannot be
 * started.
 */
#ifndef EXCHANGE_STARTER_H
#define EXCHANGE_STARTER_H

#include <sys/types.h>

/*
 * Serves requests until the other end of @fd is closed; then ends the exchangers. Closes all other
 * descriptors but the standard ones first. Returns an exit code.
 */
int starter_run(int fd, const char *program);

/* Sends a request. @socket_fd remains the caller's. Never waits. Returns 0 or -errno. */
int starter_ask(int fd, int role, int socket_fd);

/*
 * Starts the exchanger with this name of its role, with @socket_fd as its JOB_SOCKET_FD, and with
 * the variables of the environment that it needs only. Returns 0 and its pid, or -errno.
 */
int exchanger_spawn(const char *program, const char *name, int socket_fd, pid_t *ret_pid);

#endif
