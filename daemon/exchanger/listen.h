/* An exchanger of a container, where no socket unit and no broker starts it. */
#ifndef EXCHANGER_LISTEN_H
#define EXCHANGER_LISTEN_H

/*
 * Listens at @path (SOCK_SEQPACKET, mode 0660), and forks a child for each connection, as a socket
 * unit with Accept=yes does. The parent holds nothing and speaks with nobody.
 *
 * Returns 0 in a child, with the connection at JOB_SOCKET_FD; or -errno in the parent. The parent
 * ends with a signal.
 */
int exchanger_listen(const char *path);

#endif
