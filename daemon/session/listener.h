/*
 * A listening Unix socket: its file, accepting in small rounds, and a reserve descriptor for when
 * none are left. It does not know what is done with the connections.
 */
#ifndef SESSION_LISTENER_H
#define SESSION_LISTENER_H

#include <sys/types.h>

#include "base/loop.h"
#include "session/backlog.h"

#define LISTENER_ERROR_MAX 256

struct listener;

struct listener_events {
    /*
     * Takes ownership of the descriptor, a new connection. Returning false ends the round of
     * accepting, so that existing connections are served first.
     */
    bool (*on_accept)(struct listener *listener, int fd);

    /* The same when descriptors ran out: the descriptor must be closed before it returns. */
    void (*on_shortage)(struct listener *listener, int fd);
};

/* Where a listener listens. */
struct listener_place {
    const char *path;
    mode_t mode;   /* of the socket's file */
    int passed_fd; /* a socket that the service manager listens on at the path; -1: there is none */
    bool replaces; /* a socket that another daemon listens on; otherwise that is an error */
};

struct listener {
    struct loop *loop;
    const struct listener_events *events;
    struct loop_source source;
    char *path;
    mode_t mode;
    dev_t device; /* the socket's file: the path leads to it unless somebody has removed it */
    ino_t inode;
    bool is_passed; /* by the service manager, which goes on listening when the daemon ends */
    struct timer watch;
    bool is_lost; /* the path does not lead to it, and listening again has failed */
    struct backlog backlog;
    bool is_paused;
    struct timer resume; /* set while paused because descriptors ran out */
    int reserve_fd;      /* closed to accept and refuse one connection when none are left; or -1 */
};

/*
 * Creates the directory of the path, removes a socket that no process listens on, and listens. If
 * the file or its directory is removed later, does so again. A socket of the service manager is
 * used instead of all this, and taken over, also on failure.
 *
 * @place:  copied.
 * @events: must outlive the listener.
 *
 * Returns 0, or -errno with a sentence in @ret_error. The caller calls listener_close() in both
 * cases.
 */
int listener_open(struct listener *listener, struct loop *loop, const struct listener_place *place,
                  const struct listener_events *events, char ret_error[LISTENER_ERROR_MAX]);

/*
 * Closes the listener and removes the socket's file, unless another one has replaced it or the
 * service manager listens on it. Does nothing if listener_open() was not called.
 */
void listener_close(struct listener *listener);

/* Stops and resumes accepting. Connections wait in the kernel's queue while it is paused. */
void listener_pause(struct listener *listener);
void listener_resume(struct listener *listener);

/*
 * Returns a time of the boot clock, as late as is known, that the last accepted connection is not
 * older than.
 */
static inline uint64_t listener_since_usec(const struct listener *listener)
{
    return listener->backlog.since_usec;
}

#endif
