#include "admin/ask.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin/message.h"
#include "base/cleanup.h"

__attribute__((format(printf, 3, 4))) static enum exit_code
fail(enum exit_code code, char *ret_error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(ret_error, ASK_ERROR_MAX, format, args);
    va_end(args);
    return code;
}

static enum exit_code connect_to(const char *path, unsigned timeout_s, int *ret_fd, char *ret_error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct timeval timeout = {.tv_sec = timeout_s};
    CLEANUP(fd_closep)
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (strlen(path) >= sizeof(address.sun_path))
        return fail(EXIT_CODE_USAGE, ret_error, "the path of the socket is too long");
    strcpy(address.sun_path, path);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return errno == EACCES
                   ? fail(EXIT_CODE_REFUSED, ret_error, "%s: only root may use it", path)
                   : fail(EXIT_CODE_UNREACHABLE, ret_error,
                          "%s: %s; check that podlogind runs, and its AdminSocket=", path,
                          strerror(errno));
    *ret_fd = TAKE_FD(fd);
    return EXIT_CODE_OK;
}

/* Returns 0, or -E2BIG. An error of the socket shows when the answer is read. */
static int send_request(int fd, const char *name, const struct wire_list *arguments)
{
    struct admin_request request = {.command = wire_string(name)};
    uint8_t frame[WIRE_HEADER_SIZE + ADMIN_REQUEST_MAX];
    size_t len;

    if (arguments)
        request.arguments = *arguments;
    if (wire_encode(&admin_request, 0, &request, frame, sizeof(frame), &len) < 0)
        return -E2BIG;
    (void)!send(fd, frame, len, MSG_NOSIGNAL);
    return 0;
}

static bool receive(int fd, uint8_t *bytes, size_t len)
{
    size_t n = 0;

    while (n < len) {
        ssize_t r = recv(fd, bytes + n, len - n, 0);

        if (r <= 0)
            return false;
        n += (size_t)r;
    }
    return true;
}

/* Reads the whole answer; the caller frees it. */
static uint8_t *receive_answer(int fd, struct wire_header *ret_header)
{
    uint8_t bytes[WIRE_HEADER_SIZE], *payload;

    if (!receive(fd, bytes, sizeof(bytes)))
        return NULL;
    wire_header_read(bytes, ret_header);
    if (ret_header->payload_len > ADMIN_ANSWER_MAX)
        return NULL;
    payload = malloc(ret_header->payload_len + 1);
    if (payload && receive(fd, payload, ret_header->payload_len))
        return payload;
    free(payload);
    return NULL;
}

enum exit_code admin_ask(const char *socket_path, unsigned timeout_s, const char *name,
                         const struct wire_list *arguments, char **ret_text,
                         char ret_error[ASK_ERROR_MAX])
{
    CLEANUP(fd_closep)
    int fd = -1;
    CLEANUP(freep)
    uint8_t *payload = NULL;
    struct wire_header header;
    struct admin_answer answer;
    struct admin_error error;
    enum exit_code code = connect_to(socket_path, timeout_s, &fd, ret_error);

    if (code != EXIT_CODE_OK)
        return code;
    if (send_request(fd, name, arguments) < 0)
        return fail(EXIT_CODE_USAGE, ret_error, "an argument is too long");
    payload = receive_answer(fd, &header);
    if (payload && header.type == ADMIN_ERROR &&
        wire_decode(&admin_error, payload, header.payload_len, &error) == 0)
        return fail((enum exit_code)error.exit_code, ret_error, "%.*s", (int)error.text.len,
                    (const char *)error.text.at);
    if (!payload || header.type != ADMIN_ANSWER ||
        wire_decode(&admin_answer, payload, header.payload_len, &answer) < 0)
        return fail(EXIT_CODE_FAULT, ret_error,
                    "the daemon did not answer: it is stopping, busy with other commands, or of "
                    "another version");
    *ret_text = strndup((const char *)answer.text.at, answer.text.len);
    return *ret_text ? EXIT_CODE_OK : fail(EXIT_CODE_FAULT, ret_error, "out of memory");
}
