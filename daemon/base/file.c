#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int file_open(const char *path, int flags)
{
    CLEANUP(fd_closep)
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | flags);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    if (!S_ISREG(st.st_mode))
        return -ENOTSUP;
    return TAKE_FD(fd);
}

/* Tries to read one byte after a full buffer, to detect a file that is too large. */
static int has_more(int fd)
{
    char byte;
    ssize_t n;

    do
        n = read(fd, &byte, 1);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n > 0;
}

int file_read(int fd, void *buffer, size_t size, size_t *ret_len)
{
    size_t len = 0;
    ssize_t n = 1;
    int r = 0;

    while (n != 0 && len < size) {
        n = read(fd, (char *)buffer + len, size - len);
        if (n < 0 && errno != EINTR)
            return -errno;
        len += n > 0 ? (size_t)n : 0;
    }
    if (n != 0)
        r = has_more(fd);
    if (r == 0)
        *ret_len = len;
    return r > 0 ? -EFBIG : r;
}

int file_read_secret(const char *path, size_t max, struct secret **ret_content)
{
    CLEANUP(secret_freep)
    struct secret *whole = secret_alloc(max);
    CLEANUP(fd_closep)
    int fd = file_open(path, 0);
    size_t len = 0;
    int r;

    if (!whole)
        return -ENOMEM;
    if (fd < 0)
        return fd;
    r = file_read(fd, whole->bytes, whole->len, &len);
    if (r < 0)
        return r;
    *ret_content = secret_new(whole->bytes, len);
    return *ret_content ? 0 : -ENOMEM;
}

static bool is_white(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

int file_make_directory_of(const char *path, mode_t mode)
{
    CLEANUP(freep)
    char *copy = strdup(path);
    mode_t before;
    int r;

    if (!copy)
        return -ENOMEM;
    before = umask(0777 & ~mode);
    r = mkdir(dirname(copy), mode);
    umask(before);
    return r < 0 && errno != EEXIST ? -errno : 0;
}

void file_cut_white_end(struct secret *content)
{
    while (content->len && is_white(content->bytes[content->len - 1]))
        content->len--;
}

/* Returns the directory of @path without links and dots, if it exists; the caller frees it. */
static char *directory_of(const char *path)
{
    CLEANUP(freep)
    char *copy = strdup(path);
    const char *directory = copy ? dirname(copy) : NULL;
    char *real = directory ? realpath(directory, NULL) : NULL;

    return real ? real : directory ? strdup(directory) : NULL;
}

bool file_is_beside(const char *path, const char *other)
{
    CLEANUP(freep)
    char *directory = directory_of(path);
    CLEANUP(freep)
    char *parent = directory_of(other);
    size_t len = parent ? strlen(parent) : 0;

    if (!directory || !parent)
        return true;
    return strncmp(directory, parent, len) == 0 &&
           (directory[len] == '\0' || directory[len] == '/' || len == 1);
}

const char *file_strerror(int r)
{
    if (r == -ENOTSUP)
        return "not a regular file";
    if (r == -EFBIG)
        return "file too large";
    if (r == -ENODATA)
        return "file is empty";
    return strerror(-r);
}
