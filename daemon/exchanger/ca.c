#include "exchanger/ca.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

int ca_read(struct job_files *files, struct wire_bytes path, struct ca *ret_ca, char *ret_error,
            size_t size)
{
    CLEANUP(fd_closep)
    int fd = -EBADMSG;
    int r;

    *ret_ca = (struct ca){0};
    if (!path.len)
        return 0;
    if (files->n) {
        fd = files->fds[0];
        files->n--;
        memmove(files->fds, files->fds + 1, files->n * sizeof(files->fds[0]));
    }
    r = read_whole(fd, ret_ca);
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
