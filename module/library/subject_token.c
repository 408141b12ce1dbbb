/* Finds and reads the file of the service-account token. */
#include "library/subject_token.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "text/descriptor.h"

static int file_read(const char *path, struct subject_token *token)
{
    int fd = descriptor_raise(open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    ssize_t n = 0;

    token->path = path;
    token->len = 0;
    if (fd < 0)
        return -errno;
    while (token->len < sizeof(token->bytes) &&
           (n = read(fd, token->bytes + token->len, sizeof(token->bytes) - token->len)) > 0)
        token->len += (size_t)n;
    if (n < 0) {
        n = -errno;
        close(fd);
        return (int)n;
    }
    close(fd);
    while (token->len > 0 && strchr(" \t\r\n", token->bytes[token->len - 1]))
        token->len--;
    if (token->len > PODLOGIN_JWT_MAX)
        return -EFBIG;
    return token->len ? 0 : -ENODATA;
}

int subject_token_read(const char *path, struct subject_token *ret_token)
{
    const char *const places[] = {
        path ? path : secure_getenv("PODLOGIN_TOKEN_FILE"),
        path ? NULL : "/var/run/secrets/podlogin/serviceaccount/token",
        path ? NULL : secure_getenv("AWS_WEB_IDENTITY_TOKEN_FILE"),
        path ? NULL : "/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
    };

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        int r = places[i] && *places[i] ? file_read(places[i], ret_token) : -ENOENT;

        /* a file that was named must exist; of the well-known ones, the first that exists counts */
        if (r != -ENOENT || (i == 0 && places[0] && *places[0]))
            return r;
    }
    ret_token->path = NULL;
    return -ENOENT;
}
