#include "exchanger/ca.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"

#define CA_FILE_MAX (1024 * 1024)

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

int ca_read(struct job_files *files, struct wire_bytes path, struct ca *ret_ca, char *ret_error,
            size_t size)
{
    struct job_file file;
    int r;

    *ret_ca = (struct ca){0};
    if (!path.len)
        return 0;
    file = take_first(files);
    if (file.content) {
        *ret_ca = (struct ca){file.content, file.len};
        return 0;
    }
    r = read_whole(file.fd, ret_ca);
    if (file.fd >= 0)
        close(file.fd);
    if (r < 0)
        snprintf(ret_error, size, "cannot read the CA file %.*s: %s",
                 (int)(path.len < 150 ? path.len : 150), (const char *)path.at, file_strerror(r));
    return r;
}

void ca_done(struct ca *ca)
{
    free(ca->pem);
    *ca = (struct ca){0};
}
