#include "exchange/descriptors.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

union control {
    struct cmsghdr header; /* aligns the room */
    char room[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
};

int descriptors_send(int socket_fd, const struct iovec *parts, size_t n_parts, const int *fds,
                     size_t n_fds)
{
    union control control = {0};
    struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = n_parts};
    struct cmsghdr *header;

    if (n_fds) {
        message.msg_control = control.room;
        message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        memcpy(CMSG_DATA(header), fds, n_fds * sizeof(int));
    }
    return sendmsg(socket_fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

ssize_t descriptors_receive(int socket_fd, const struct iovec *parts, size_t n_parts, int flags,
                            int ret_fds[DESCRIPTORS_MAX], size_t *ret_n_fds)
{
    union control control = {0};
    struct msghdr message = {.msg_iov = (struct iovec *)parts,
                             .msg_iovlen = n_parts,
                             .msg_control = control.room,
                             .msg_controllen = sizeof(control.room)};
    ssize_t n = recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC | flags);
    struct cmsghdr *header = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;

    *ret_n_fds = 0;
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
        *ret_n_fds = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(ret_fds, CMSG_DATA(header), *ret_n_fds * sizeof(int));
    }
    return n < 0 ? -errno : n;
}
