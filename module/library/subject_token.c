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

static int read_to_end(int fd, const struct deadline *deadline, struct subject_token *token)
{
    ssize_t n;

    do {
        /* a file can be read at once; a pipe when it is not empty, or its writer has closed it */
        int r = deadline_wait(deadline, fd, POLLIN);

        if (r < 0)
            return r;
        n = read(fd, token->bytes + token->len, sizeof(token->bytes) - token->len);
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return -errno;
        token->len += n > 0 ? (size_t)n : 0;
    } while (n != 0 && token->len < sizeof(token->bytes));
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
    int fd = descriptor_raise(open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    int r;

    token->path = path;
    token->len = 0;
    if (fd < 0)
        return -errno;
    r = read_to_end(fd, deadline, token);
    close(fd);
    return r < 0 ? r : judge(token);
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
