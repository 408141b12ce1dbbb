/*
 * The broker's end of the socket pair: it starts the exchanger, hands jobs to it, and starts it
 * anew when it dies or hangs. A job that was under way then is handed over once more; one that has
 * brought the exchanger down twice fails. Every job ends, by an answer or by its deadline.
 */
#ifndef LINK_H
#define LINK_H

#include "base/list.h"
#include "base/loop.h"
#include "exchange/job.h"

struct exchanger_client;
struct job;

/* @result points into memory that is wiped when the callback returns. The job is idle again. */
typedef void (*job_done)(struct job *job, const struct job_result *result);

enum job_state {
    JOB_IDLE,
    JOB_QUEUED, /* not handed over yet */
    JOB_SENT,
};

/* Embedded in its owner, zeroed at first. */
struct job {
    struct list node;
    struct exchanger_client *exchanger;
    enum job_state state;
    unsigned n_sent;
    uint64_t sent_usec;
    uint16_t id;
    struct secret *frame;
    struct timer deadline;
    job_done on_done;
};

/* @path: the program podlogin-exchanger. */
int exchanger_client_new(struct loop *loop, const char *path,
                         struct exchanger_client **ret_exchanger);
struct exchanger_client *exchanger_client_free(struct exchanger_client *exchanger);

/*
 * Queues an idle job; @message and @values are job_exchange or job_keys and are copied. @on_done is
 * called later, never from here. 0, -ENOMEM, or -EINVAL (a value does not fit).
 */
int exchanger_client_submit(struct exchanger_client *exchanger, struct job *job,
                            const struct wire_message *message, const void *values,
                            job_done on_done);

/* The job is idle afterwards, and its callback is not called. */
void job_cancel(struct job *job);

#endif
