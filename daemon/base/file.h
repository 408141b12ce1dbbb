/* Reads small files whole, up to a maximum size. All code of the daemon reads files with this. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/secret.h"

/*
 * Opens a regular file for reading. Never blocks: a FIFO or a device could block the event loop, so
 * they are refused.
 *
 * @flags: additional flags for open(2).
 *
 * Returns a descriptor that the caller closes; -EISDIR if it is a directory; -ENOTSUP if it is not
 * a regular file; or another -errno.
 */
int file_open(const char *path, int flags);

/*
 * Reads from @fd until end of file. Blocks if @fd does, for example a pipe.
 *
 * @ret_len: the number of bytes; set on success only.
 *
 * Returns 0; -EFBIG if there are more than @size bytes; or another -errno.
 */
int file_read(int fd, void *buffer, size_t size, size_t *ret_len);

/*
 * Reads the file at @path, of at most @max bytes, into secret memory that the caller frees.
 *
 * Returns 0, -ENOMEM, or the errors of file_open() and file_read().
 */
int file_read_secret(const char *path, size_t max, struct secret **ret_content);

/*
 * Creates the directory of the file at @path, with the mode whatever the umask is, unless it
 * exists. Returns 0 or -errno.
 */
int file_make_directory_of(const char *path, mode_t mode);

/* Cuts white space off the end: a newline of an editor, or an end of line of Windows. */
void file_cut_white_end(struct secret *content);

/*
 * Returns whether @path is in the directory of @other or below it, whatever links lead there. A
 * directory that does not exist is compared as it is written. Returns true if memory runs out.
 */
bool file_is_beside(const char *path, const char *other);

/*
 * Describes the error @r (-errno) of these functions. The text is constant, or as short-lived as
 * that of strerror(3).
 */
const char *file_strerror(int r);

#endif
