/*
 * The broker's side of the connection to an exchanger. It has the exchanger started, sends jobs to
 * it, and has it restarted when it dies or hangs. Fetches of keys, reviews and exchanges do not
 * wait for each other. Jobs in flight are then sent a second time; a job during which the exchanger
 * ended twice fails. Each job completes, with an answer or at its deadline, unless it is cancelled.
 */
#ifndef EXCHANGE_EXCHANGER_CLIENT_H
#define EXCHANGE_EXCHANGER_CLIENT_H

#include "base/list.h"
#include "base/loop.h"
#include "exchange/job.h"
#include "exchange/launcher.h"

struct exchanger_client;
struct job;

/*
 * Called when a job completes; the job is idle again. @result points into memory that is wiped when
 * the callback returns.
 */
typedef void (*job_done)(struct job *job, const struct job_result *result);

enum job_state {
    JOB_IDLE,
    JOB_QUEUED, /* waits to be sent */
    JOB_SENT,   /* in flight */
};

/* Embedded in its owner; initially zeroed. */
struct job {
    struct list node;
    struct exchanger_client *exchanger;
    enum job_state state;
    struct lane *lane; /* of its type */
    unsigned n_sent;   /* how many times it was sent */
    uint64_t sent_usec;
    uint16_t id;
    struct secret *frame;
    struct timer deadline;
    job_done on_done;
};

/*
 * Starts the exchanger. If it is one that another manager starts, tries again until it is there.
 *
 * @launcher:      must outlive the client.
 * @ret_exchanger: set on success only; freed with exchanger_client_free().
 *
 * Returns 0 or -errno.
 */
int exchanger_client_new(struct loop *loop, struct launcher *launcher, enum exchanger_role role,
                         struct exchanger_client **ret_exchanger);

/* Returns whether there is a connection to it. */
bool exchanger_is_running(const struct exchanger_client *exchanger);

/* Returns how many jobs are in flight. */
unsigned exchanger_n_jobs(const struct exchanger_client *exchanger);

/* Cancels all jobs and ends the exchanger. @exchanger may be NULL. Returns NULL. */
struct exchanger_client *exchanger_client_free(struct exchanger_client *exchanger);

/*
 * Queues an idle job.
 *
 * @message: job_exchange, job_keys, job_review or job_probe.
 * @values:  its struct; copied.
 * @on_done: called from the event loop, never from this function.
 *
 * Returns 0; -ENOMEM; or -EINVAL if a value breaks the message's table. On failure, @on_done is not
 * called.
 */
int exchanger_client_submit(struct exchanger_client *exchanger, struct job *job,
                            const struct wire_message *message, const void *values,
                            job_done on_done);

/* Makes the job idle. Its callback is not called. Does nothing if it is idle. */
void job_cancel(struct job *job);

#endif
