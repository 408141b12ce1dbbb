/* Finds and reads the file of the service-account token. */
#include "library/subject_token.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "library/environment.h"
#include "text/descriptor.h"
#include "text/text.h"

/*
 * A file can be read at once; a pipe when it is not empty, or its writer has closed it. A pipe
 * whose writer has not come yet looks like the end of a file, so an end right at the start is
 * waited for.
 */
static int read_to_end(int fd, const struct deadline *deadline, struct subject_token *token)
{
    bool has_waited = false;

    while (token->len < sizeof(token->bytes)) {
        ssize_t n = read(fd, token->bytes + token->len, sizeof(token->bytes) - token->len);
        int r = 0;

        if (n > 0)
            token->len += (size_t)n;
        else if (n == 0 && (token->len > 0 || has_waited))
            return 0;
        else if (n == 0 || errno == EAGAIN)
            r = deadline_wait(deadline, fd, POLLIN);
        else if (errno != EINTR)
            r = -errno;
        if (r < 0)
            return r;
        has_waited = has_waited || n <= 0;
    }
    return 0;
}

static bool is_white(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

/* Cuts white space off the end, and checks the rest. */
static int judge(struct subject_token *token)
{
    while (token->len > 0 && is_white(token->bytes[token->len - 1]))
        token->len--;
    if (token->len > PODLOGIN_JWT_MAX)
        return -EFBIG;
    if (!text_is_visible(token->bytes, token->len))
        return -EILSEQ;
    return token->len ? 0 : -ENODATA;
}

static int file_read(const char *path, const struct deadline *deadline, struct subject_token *token)
{
    const int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    int fd = descriptor_raise(openat(AT_FDCWD, path, flags)); /* open() of musl is two calls */
    int r;

    token->path = path;
    token->len = 0;
    if (fd < 0)
        return -errno;
    r = read_to_end(fd, deadline, token);
    close(fd);
    return r < 0 ? r : judge(token);
}

void subject_token_wipe(struct subject_token *token)
{
    explicit_bzero(token->bytes, token->len);
    token->len = 0;
}

int subject_token_read(const char *path, const struct deadline *deadline,
                       struct subject_token *ret_token)
{
    const char *const places[] = {
        path ? path : environment_value("PODLOGIN_TOKEN_FILE"),
        path ? NULL : SUBJECT_TOKEN_PATH,
        path ? NULL : environment_value("AWS_WEB_IDENTITY_TOKEN_FILE"),
        path ? NULL : "/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
    };

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        int r = places[i] ? file_read(places[i], deadline, ret_token) : -ENOENT;

        /* a file that was named must exist; of the well-known ones, the first that exists counts */
        if (r != -ENOENT || (i == 0 && places[0]))
            return r;
    }
    ret_token->path = NULL;
    return -ENOENT;
}

const char *subject_token_strerror(int r)
{
    switch (r) {
    case -EFBIG:
        return "the file is longer than a service-account token can be; check --token-file";
    case -ENODATA:
        return "the file is empty; check --token-file";
    case -EILSEQ:
        return "the file has characters that no service-account token has, such as blanks, NUL or "
               "a "
               "byte order mark; check --token-file";
    case -ETIME:
        return "the whole token did not come through the pipe within the timeout";
    default:
        return strerror(-r);
    }
}
