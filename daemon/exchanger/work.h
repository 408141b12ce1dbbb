/* Dispatches jobs. Each kind of job has a file, which begins the job and sends its result. */
#ifndef EXCHANGER_WORK_H
#define EXCHANGER_WORK_H

#include "exchange/job.h"
#include "exchange/launcher.h"
#include "exchanger/http.h"

struct worker {
    struct http http;
    enum exchanger_role role;
    struct job_files *files; /* of the job that begins */
};

/*
 * Begins the job in the frame of @len bytes, if it is one of the worker's role. Its result is sent
 * later, or at once if it cannot begin. A frame that is shorter than a header is ignored.
 *
 * @files: the files that the job names; those that it used are closed and removed.
 */
void worker_take(struct worker *worker, const uint8_t *frame, size_t len, struct job_files *files);

/* Begin a job. Return 0, and its result is sent later; or -errno, and no result is sent. */
int exchange_job_begin(struct worker *worker, uint16_t id, const struct job_exchange *job);
int keys_job_begin(struct worker *worker, uint16_t id, const struct job_keys *job);
int review_job_begin(struct worker *worker, uint16_t id, const struct job_review *job);
int probe_job_begin(struct worker *worker, uint16_t id, const struct job_probe *job);

/*
 * Reads the next CA file of the job that begins, if it names one at @path. @ret_ca is released with
 * ca_done(). Returns 0; or -errno, with the reason in the worker's http.error.
 */
int worker_read_ca(struct worker *worker, struct wire_bytes path, struct ca *ret_ca);

/* Reads the next file of the job in the same way, as secret_file_read(). */
int worker_read_secret(struct worker *worker, struct wire_bytes path, struct secret **ret_secret);

/* Returns a C string that the caller frees; or NULL if @bytes is empty or memory runs out. */
char *copy_bytes(struct wire_bytes bytes);

#endif
