/*
 * Suspended connections: they wait for the latency of an answer, for the next byte of a slow body,
 * or for the end of a hang. One thread resumes them, however many there are.
 */
#ifndef STANDIN_WAIT_QUEUE_H
#define STANDIN_WAIT_QUEUE_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct wait {
    struct wait *previous;
    struct wait *next;
    struct MHD_Connection *connection;
    uint64_t due_ms;     /* of CLOCK_MONOTONIC */
    const void *hung_by; /* not NULL: waits until wait_queue_release() */
};

struct wait_queue {
    pthread_mutex_t *lock;
    pthread_cond_t changed;
    pthread_t thread;
    struct wait *first; /* ordered by due_ms */
    struct wait *last;
    bool is_stopping;
};

int wait_queue_start(struct wait_queue *queue, pthread_mutex_t *lock);

/*
 * Resumes all connections and allows no further suspensions. The listeners have to be stopped
 * after this: libmicrohttpd ends the program when a suspended connection is left.
 */
void wait_queue_stop(struct wait_queue *queue);

/*
 * Suspends the connection of @wait for @delay_ms, or until wait_queue_release() when @hung_by is
 * not NULL. Afterwards libmicrohttpd calls the same access handler or content reader again.
 *
 * The caller holds the lock. Returns false after wait_queue_stop().
 */
bool wait_queue_suspend(struct wait_queue *queue, struct wait *wait, uint32_t delay_ms,
                        const void *hung_by);

/* Resumes the connections that wait for @hung_by. The caller holds the lock. */
void wait_queue_release(struct wait_queue *queue, const void *hung_by);

#endif
