/*
 * How a job travels: its frame, after the files that it names. The exchanger may open no files
 * of the configuration itself.
 *
 * A small file travels by its contents, a larger one by a descriptor. The kernel counts descriptors
 * under way for all processes of a user together, so a foreign process whose uid has the same
 * number can use them up.
 */
#ifndef EXCHANGE_JOB_PACKET_H
#define EXCHANGE_JOB_PACKET_H

#include "base/secret.h"
#include "exchange/descriptors.h"

#define JOB_FILES_MAX DESCRIPTORS_MAX
#define JOB_FILE_COPY 32768 /* bytes; a larger file travels by a descriptor */

/* A CA file or secret file of a job. */
struct job_file {
    int fd;        /* -errno: it could not be read, or its contents are here */
    char *content; /* NULL: read them from the descriptor */
    size_t len;
};

/* The files of a job, in the order of its fields. */
struct job_files {
    size_t n;
    struct job_file files[JOB_FILES_MAX];
};

/* Reads or opens the files that the job's frame names, and sends all. Returns 0 or -errno. */
int job_packet_send(int socket_fd, const struct secret *frame);

/*
 * Receives a job without blocking.
 *
 * @ret_files: released with job_files_done(); set in each case.
 *
 * Returns the length of the frame; 0 at the end; or -errno.
 */
ssize_t job_packet_receive(int socket_fd, void *frame, size_t size, struct job_files *ret_files);

void job_files_done(struct job_files *files);

#endif
