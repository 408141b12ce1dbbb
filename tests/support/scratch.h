/* A temporary directory of a test: creation, files in it, and removal. */
#ifndef SCRATCH_H
#define SCRATCH_H

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

#include "support/check.h"

#define SCRATCH_MAX 64 /* the name of a directory */

static inline int scratch_remove_entry(const char *path, const struct stat *st, int flag,
                                       struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static inline void scratch_remove(const char *directory)
{
    nftw(directory, scratch_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* Creates a directory below @parent, with mode 0700. */
static inline void scratch_make(char ret_directory[SCRATCH_MAX], const char *parent)
{
    snprintf(ret_directory, SCRATCH_MAX, "%s/podlogin-test-XXXXXX", parent);
    assert_non_null(mkdtemp(ret_directory));
}

static inline void scratch_write(const char *path, const void *bytes, size_t len, mode_t mode)
{
    CLEANUP(fd_closep)
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    assert_int_equal(fchmod(fd, mode), 0);
}

/* Returns the whole file, followed by a NUL; the caller frees it. */
static inline char *scratch_read(const char *path, size_t *ret_len)
{
    CLEANUP(fd_closep)
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    char *bytes;

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    bytes = calloc(1, (size_t)st.st_size + 1);
    assert_non_null(bytes);
    assert_int_equal(read(fd, bytes, (size_t)st.st_size), (ssize_t)st.st_size);
    *ret_len = (size_t)st.st_size;
    return bytes;
}

#endif
