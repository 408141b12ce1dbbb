/*
 * How a job travels: its frame, with open descriptors of the CA files that it names. The exchanger
 * may open no files of the configuration itself.
 */
#ifndef EXCHANGE_JOB_PACKET_H
#define EXCHANGE_JOB_PACKET_H

#include "base/secret.h"
#include "exchange/descriptors.h"

/* The CA files of a job, in the order of its fields. */
struct job_files {
    size_t n;
    int fds[DESCRIPTORS_MAX]; /* -errno: the file could not be opened */
};

/* Opens the CA files that the job's frame names, and sends all. Returns 0 or -errno. */
int job_packet_send(int socket_fd, const struct secret *frame);

/*
 * Receives a job without blocking.
 *
 * @ret_files: closed with job_files_close(); set in each case.
 *
 * Returns the length of the frame; 0 at the end; or -errno.
 */
ssize_t job_packet_receive(int socket_fd, void *frame, size_t size, struct job_files *ret_files);

void job_files_close(struct job_files *files);

#endif
