/* Messages with descriptors (SCM_RIGHTS, unix(7)), over a SOCK_SEQPACKET socket. */
#ifndef EXCHANGE_DESCRIPTORS_H
#define EXCHANGE_DESCRIPTORS_H

#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#define DESCRIPTORS_MAX 2 /* in a message */

/* Sends the parts as one message, without blocking. @fds stay the caller's. Returns 0 or -errno. */
int descriptors_send(int socket_fd, const struct iovec *parts, size_t n_parts, const int *fds,
                     size_t n_fds);

/*
 * Receives a message into the parts.
 *
 * @flags:   additional flags for recvmsg(2).
 * @ret_fds: the caller closes the first @ret_n_fds.
 *
 * Returns the bytes of the message; 0 at the end; or -errno.
 */
ssize_t descriptors_receive(int socket_fd, const struct iovec *parts, size_t n_parts, int flags,
                            int ret_fds[DESCRIPTORS_MAX], size_t *ret_n_fds);

#endif
