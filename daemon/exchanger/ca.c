#include "exchanger/ca.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"

#define CA_FILE_MAX     (1024 * 1024)
#define SECRET_FILE_MAX 4096

static int read_whole(int fd, struct ca *ret_ca)
{
    CLEANUP(freep)
    char *text = NULL;
    struct stat st;
    size_t len;
    int r;

    if (fd < 0)
        return fd;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (st.st_size > CA_FILE_MAX)
        return -EFBIG;
    text = malloc((size_t)st.st_size + 1);
    if (!text)
        return -ENOMEM;
    r = file_read(fd, text, (size_t)st.st_size, &len);
    if (r == 0)
        *ret_ca = (struct ca){TAKE_PTR(text), len};
    return r;
}

/* Moves the first file out of @files. */
static struct job_file take_first(struct job_files *files)
{
    struct job_file first = {.fd = -EBADMSG};

    if (files->n) {
        first = files->files[0];
        files->n--;
        memmove(files->files, files->files + 1, files->n * sizeof(files->files[0]));
    }
    return first;
}

/* @what: the beginning of an error. */
static int read_next(struct job_files *files, const char *what, struct wire_bytes path,
                     struct ca *ret_text, char *ret_error, size_t size)
{
    struct job_file file = take_first(files);
    int r;

    if (file.content) {
        *ret_text = (struct ca){file.content, file.len};
        return 0;
    }
    r = read_whole(file.fd, ret_text);
    if (file.fd >= 0)
        close(file.fd);
    if (r < 0)
        snprintf(ret_error, size, "%s %.*s: %s", what, (int)(path.len < 150 ? path.len : 150),
                 (const char *)path.at, file_strerror(r));
    return r;
}

int ca_read(struct job_files *files, struct wire_bytes path, struct ca *ret_ca, char *ret_error,
            size_t size)
{
    *ret_ca = (struct ca){0};
    return path.len ? read_next(files, "cannot read the CA file", path, ret_ca, ret_error, size)
                    : 0;
}

int secret_file_read(struct job_files *files, struct wire_bytes path, struct secret **ret_secret,
                     char *ret_error, size_t size)
{
    CLEANUP(ca_donep)
    struct ca text = {0};
    int r;

    *ret_secret = NULL;
    if (!path.len)
        return 0;
    r = read_next(files, "cannot read the secret file", path, &text, ret_error, size);
    if (r < 0)
        return r;
    if (text.len > SECRET_FILE_MAX) {
        snprintf(ret_error, size, "the secret file %.*s is larger than %d bytes",
                 (int)(path.len < 150 ? path.len : 150), (const char *)path.at, SECRET_FILE_MAX);
        return -EFBIG;
    }
    *ret_secret = secret_new(text.pem, text.len);
    if (!*ret_secret)
        return -ENOMEM;
    file_cut_white_end(*ret_secret);
    return 0;
}

void ca_done(struct ca *ca)
{
    free(ca->pem);
    *ca = (struct ca){0};
}
