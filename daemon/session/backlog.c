/*
 * Two marks in the queue of connections: those before the older mark are gone, and those before the
 * newer mark may still be queued.
 */
#include "session/backlog.h"

void backlog_accepted(struct backlog *backlog, uint64_t before_usec)
{
    if (backlog->n_since_mark++ <= BACKLOG_MAX)
        return;
    backlog->since_usec = backlog->mark_usec;
    backlog->mark_usec = before_usec;
    backlog->n_since_mark = 1;
}

/* Makes the mark count as gone, so that the next connection sets a new one. */
void backlog_empty(struct backlog *backlog, uint64_t before_usec)
{
    *backlog = (struct backlog){
        .since_usec = before_usec,
        .mark_usec = before_usec,
        .n_since_mark = BACKLOG_MAX + 1,
    };
}
