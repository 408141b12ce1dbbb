/* Files that the broker has opened for a job: the certificates that verify a server, and secrets.
 */
#ifndef EXCHANGER_CA_H
#define EXCHANGER_CA_H

#include <stddef.h>

#include "base/secret.h"
#include "exchange/job_packet.h"
#include "protocol/wire.h"

struct ca {
    char *pem; /* NULL: the system's certificates */
    size_t len;
};

/*
 * Reads the next of @files if the job names a CA file, and removes it from them.
 *
 * @path:      the file's name in the job; empty: none.
 * @ret_ca:    released with ca_done().
 * @ret_error: why it fails; @size bytes.
 *
 * Returns 0 or -errno.
 */
int ca_read(struct job_files *files, struct wire_bytes path, struct ca *ret_ca, char *ret_error,
            size_t size);

/*
 * Reads the next of @files in the same way, into secret memory that the caller frees, without white
 * space at its end. @ret_secret: NULL if @path is empty.
 */
int secret_file_read(struct job_files *files, struct wire_bytes path, struct secret **ret_secret,
                     char *ret_error, size_t size);

void ca_done(struct ca *ca);

static inline void ca_donep(struct ca *ca)
{
    ca_done(ca);
}

#endif
