/*
 * The earliest time at which the connection accepted now can have been made. The kernel's queue of
 * a listener is first in, first out: connections that it held at some time are gone once it has
 * been empty, or once more connections were accepted than it holds.
 */
#ifndef SESSION_BACKLOG_H
#define SESSION_BACKLOG_H

#include <stdint.h>
#include <sys/socket.h>

#define BACKLOG_MAX SOMAXCONN /* for listen(); the kernel queues one more, or fewer (somaxconn) */

/* Zeroed at first. Times are of the boot clock, in microseconds. */
struct backlog {
    uint64_t since_usec;   /* connections accepted now were made at this time or later */
    uint64_t mark_usec;    /* the time of the mark */
    unsigned n_since_mark; /* accepted since; the mark's queue ends with BACKLOG_MAX + 1 */
};

/* Notes that a connection was accepted by a call that began at @before_usec. */
void backlog_accepted(struct backlog *backlog, uint64_t before_usec);

/* Notes that a call that began at @before_usec found the queue empty. */
void backlog_empty(struct backlog *backlog, uint64_t before_usec);

#endif
