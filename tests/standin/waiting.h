/*
 * Connections that wait: for the latency of their answer, for the next byte of a slow body, or for
 * nothing at all (a hang). They are suspended, so a thousand of them cost one thread, not a
 * thousand.
 */
#ifndef STANDIN_WAITING_H
#define STANDIN_WAITING_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct wait {
    struct wait *previous;
    struct wait *next;
    struct MHD_Connection *connection;
    uint64_t due_ms;     /* of CLOCK_MONOTONIC */
    const void *hung_by; /* not NULL: no time limit, ends by waiting_release() */
};

struct waiting {
    pthread_mutex_t *lock;
    pthread_cond_t changed;
    pthread_t thread;
    struct wait *first; /* ordered by due_ms */
    struct wait *last;
    bool is_stopping;
};

int waiting_start(struct waiting *waiting, pthread_mutex_t *lock);

/*
 * Lets every connection go on, and no other one wait from then on. Has to come before the listeners
 * are stopped: libmicrohttpd ends the program when a suspended connection is left.
 */
void waiting_stop(struct waiting *waiting);

/*
 * Suspends @connection for @delay_ms, or until waiting_release() when @hung_by is not NULL. It goes
 * on with another call of the access handler or content reader that called this.
 *
 * The caller holds the lock. Returns false when the program ends and nothing may wait any more.
 */
bool waiting_suspend(struct waiting *waiting, struct wait *wait, uint32_t delay_ms,
                     const void *hung_by);

/* Lets go on whatever was hung by @hung_by. The caller holds the lock. */
void waiting_release(struct waiting *waiting, const void *hung_by);

#endif
