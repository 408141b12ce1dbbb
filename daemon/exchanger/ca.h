/* The certificates that verify a server, from a CA file that the broker has opened. */
#ifndef EXCHANGER_CA_H
#define EXCHANGER_CA_H

#include <stddef.h>

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

void ca_done(struct ca *ca);

static inline void ca_donep(struct ca *ca)
{
    ca_done(ca);
}

#endif
