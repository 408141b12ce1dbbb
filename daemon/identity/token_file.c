#include "identity/token_file.h"

#include <errno.h>
#include <fcntl.h>

#include "protocol/messages.h"

struct secret *token_file_read(const char *path)
{
    CLEANUP(fd_closep)
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    CLEANUP(secret_freep)
    struct secret *text = fd < 0 ? NULL : secret_alloc(PODLOGIN_JWT_MAX + 2);
    struct secret *token;
    ssize_t n = text ? read(fd, text->bytes, text->len) : -1;

    if (n < 0)
        return NULL;
    if (n > 0 && text->bytes[n - 1] == '\n')
        n--;
    token = secret_new(text->bytes, (size_t)n);
    if (!token)
        errno = ENOMEM;
    return token;
}
