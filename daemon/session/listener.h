/*
 * A listening Unix socket: its file, accepting in small rounds, and a descriptor in reserve for
 * when there are none left. It knows nothing of what is done with the connections.
 */
#ifndef LISTENER_H
#define LISTENER_H

#include "base/loop.h"
#include "session/backlog.h"

#define LISTENER_ERROR_MAX 256

struct listener;

struct listener_events {
    /*
     * Takes over a new connection. False ends the round of accepting, so that those who are
     * connected come first.
     */
    bool (*on_accept)(struct listener *listener, int fd);

    /* The same for one that there are no descriptors for: it has to be closed at once. */
    void (*on_shortage)(struct listener *listener, int fd);
};

struct listener {
    struct loop *loop;
    const struct listener_events *events;
    struct loop_source source;
    char *path;
    struct backlog backlog;
    bool is_paused;
    struct timer resume; /* set while it is paused for want of descriptors */
    int reserve_fd;
};

/*
 * Makes the directory of @path, removes a socket that nobody listens at, and listens with mode
 * 0666: whoever can traverse the directory may connect. @events outlives the listener.
 *
 * Returns 0, or -errno with a sentence in @ret_error. listener_close() is needed in either case.
 */
int listener_open(struct listener *listener, struct loop *loop, const char *path,
                  const struct listener_events *events, char ret_error[LISTENER_ERROR_MAX]);

/* Removes the socket's file. Harmless if it was never opened. */
void listener_close(struct listener *listener);

/* Connections wait in the kernel's queue meanwhile. */
void listener_pause(struct listener *listener);
void listener_resume(struct listener *listener);

/* The latest time of the boot clock at which the connection accepted last was surely not made. */
static inline uint64_t listener_since_usec(const struct listener *listener)
{
    return listener->backlog.since_usec;
}

#endif
