/*
 * The sockets of libcurl's multi handles, watched with epoll: a turn costs as much as there are
 * ready sockets, however many transfers run. Each handle has connections of its own.
 */
#ifndef EXCHANGER_SOCKETS_H
#define EXCHANGER_SOCKETS_H

#include <curl/curl.h>
#include <stdint.h>

#define SOCKETS_READY_MAX 64 /* in a turn */
#define SOCKETS_HANDLES   2

struct sockets_handle {
    struct sockets *sockets;
    CURLM *multi;
    uint64_t due_usec; /* when libcurl wants a turn; 0: for a socket only */
};

struct sockets {
    int epoll_fd;
    int guest_fd; /* what the caller watches beside them; -1: nothing */
    struct sockets_handle handles[SOCKETS_HANDLES];
    int n_ready;
    struct {
        CURLM *multi;
        int fd, actions;
    } ready[SOCKETS_READY_MAX];
};

/* @sockets must stay at its address. Returns 0 or -errno, and sockets_done() is called later. */
int sockets_init(struct sockets *sockets);

void sockets_done(struct sockets *sockets);

/*
 * Waits until sockets_turn() has something to do, or @guest_fd is ready to be read; -1: none.
 *
 * Returns 1 if @guest_fd is ready; 0; or -errno.
 */
int sockets_wait(struct sockets *sockets, int guest_fd, int timeout_ms);

/* Has libcurl use the sockets that were ready, and do what is due. Never blocks. */
void sockets_turn(struct sockets *sockets);

#endif
