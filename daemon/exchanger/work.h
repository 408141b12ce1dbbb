/* What the exchanger does with jobs: each kind has a file, which begins it and sends its result. */
#ifndef WORK_H
#define WORK_H

#include "exchange/job.h"
#include "exchanger/http.h"

struct worker {
    CURLM *multi;
};

/* Begins the job in the frame of @len bytes; its result is sent later. */
void worker_take(struct worker *worker, const uint8_t *frame, size_t len);

/*
 * Begin a job. Return 0: its result is sent later; or -errno, and nothing is sent.
 */
int exchange_job_begin(struct worker *worker, uint16_t id, const struct job_exchange *job);
int keys_job_begin(struct worker *worker, uint16_t id, const struct job_keys *job);
int review_job_begin(struct worker *worker, uint16_t id, const struct job_review *job);

/* A C string of its own; NULL: it is absent, or out of memory. */
char *copy_bytes(struct wire_bytes bytes);

#endif
