/* Dispatches jobs. Each kind of job has a file, which begins the job and sends its result. */
#ifndef EXCHANGER_WORK_H
#define EXCHANGER_WORK_H

#include "exchange/job.h"
#include "exchange/launcher.h"
#include "exchanger/http.h"

struct worker {
    struct http http;
    enum exchanger_role role;
};

/*
 * Begins the job in the frame of @len bytes, if it is one of the worker's role. Its result is sent
 * later, or at once if it cannot begin. A frame that is shorter than a header is ignored.
 */
void worker_take(struct worker *worker, const uint8_t *frame, size_t len);

/* Begin a job. Return 0, and its result is sent later; or -errno, and no result is sent. */
int exchange_job_begin(struct worker *worker, uint16_t id, const struct job_exchange *job);
int keys_job_begin(struct worker *worker, uint16_t id, const struct job_keys *job);
int review_job_begin(struct worker *worker, uint16_t id, const struct job_review *job);

/* Returns a C string that the caller frees; or NULL if @bytes is empty or memory runs out. */
char *copy_bytes(struct wire_bytes bytes);

#endif
