/*
 * Since when whoever is accepted now must have connected. The listener's queue is first in, first
 * out: what it held at some moment is gone when it has been empty, or when more has been accepted
 * than it holds.
 */
#ifndef BACKLOG_H
#define BACKLOG_H

#include <stdint.h>
#include <sys/socket.h>

#define BACKLOG_MAX SOMAXCONN /* for listen(); the kernel queues one more, or fewer (somaxconn) */

/* Zeroed at first. Times are of the boot clock, in microseconds. */
struct backlog {
    uint64_t since_usec;   /* who is accepted now has connected since */
    uint64_t mark_usec;    /* who waited then */
    unsigned n_since_mark; /* is gone after BACKLOG_MAX + 1 */
};

/* One was accepted, by a call that began at @before_usec. */
void backlog_accepted(struct backlog *backlog, uint64_t before_usec);

/* A call that began at @before_usec found nobody. */
void backlog_empty(struct backlog *backlog, uint64_t before_usec);

#endif
