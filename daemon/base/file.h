/* Small files, read whole and within a bound: the only reader of files in the daemon. */
#ifndef FILE_H
#define FILE_H

#include <stddef.h>

#include "base/secret.h"

/*
 * Opens a regular file for reading. It never waits: a FIFO or a device could hold up the event
 * loop, so they are refused. @flags: further flags for open(2).
 *
 * Returns a descriptor; -EISDIR; -ENOTSUP: it is not a regular file; or another -errno.
 */
int file_open(const char *path, int flags);

/*
 * Reads from @fd up to its end. The caller decides what may wait: @fd may be a pipe.
 *
 * Returns 0, with the number of bytes in @ret_len; -EFBIG: there are more than @size; or another
 * -errno.
 */
int file_read(int fd, void *buffer, size_t size, size_t *ret_len);

/* file_open() and file_read() into secret memory, which the caller frees; @max bytes at most. */
int file_read_secret(const char *path, size_t max, struct secret **ret_content);

/* What an error of these functions means to a person. Constant, or valid as strerror(3)'s. */
const char *file_strerror(int r);

#endif
