#include "ctl/daemon.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin/message.h"
#include "base/cleanup.h"
#include "ctl/ctl.h"

#define TIMEOUT_S 60 /* a purge waits for the disk */

static int connect_to(const char *command, const char *path, int *ret_fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct timeval timeout = {.tv_sec = TIMEOUT_S};
    CLEANUP(fd_closep)
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (strlen(path) >= sizeof(address.sun_path))
        return ctl_fail(EXIT_CODE_USAGE, command, "the path of the socket is too long");
    strcpy(address.sun_path, path);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return errno == EACCES
                   ? ctl_fail(EXIT_CODE_REFUSED, command, "%s: only root may use it", path)
                   : ctl_fail(EXIT_CODE_UNREACHABLE, command,
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

int ctl_ask(const char *command, const char *socket_path, const char *name,
            const struct wire_list *arguments, char **ret_text)
{
    CLEANUP(fd_closep)
    int fd = -1;
    CLEANUP(freep)
    uint8_t *payload = NULL;
    struct wire_header header;
    struct admin_answer answer;
    struct admin_error error;
    int code = connect_to(command, socket_path, &fd);

    if (code != EXIT_CODE_OK)
        return code;
    if (send_request(fd, name, arguments) < 0)
        return ctl_fail(EXIT_CODE_USAGE, command, "an argument is too long");
    payload = receive_answer(fd, &header);
    if (payload && header.type == ADMIN_ERROR &&
        wire_decode(&admin_error, payload, header.payload_len, &error) == 0)
        return ctl_fail((enum exit_code)error.exit_code, command, "%.*s", (int)error.text.len,
                        (const char *)error.text.at);
    if (!payload || header.type != ADMIN_ANSWER ||
        wire_decode(&admin_answer, payload, header.payload_len, &answer) < 0)
        return ctl_fail(
            EXIT_CODE_FAULT, command,
            "the daemon did not answer: it is stopping, busy with other commands, or of "
            "another version");
    *ret_text = strndup((const char *)answer.text.at, answer.text.len);
    return *ret_text ? EXIT_CODE_OK : ctl_fail(EXIT_CODE_FAULT, command, "out of memory");
}

int ctl_ask_json(const char *command, const char *socket_path, const char *name,
                 const struct wire_list *arguments, json_t **ret_json)
{
    CLEANUP(freep)
    char *text = NULL;
    int code = ctl_ask(command, socket_path, name, arguments, &text);

    if (code != EXIT_CODE_OK)
        return code;
    *ret_json = json_loads(text, 0, NULL);
    return *ret_json ? EXIT_CODE_OK
                     : ctl_fail(EXIT_CODE_FAULT, command, "the daemon's answer is not JSON");
}

int ctl_print_json(const char *command, const json_t *json)
{
    return json_dumpf(json, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER) == 0 &&
                   putchar('\n') != EOF
               ? EXIT_CODE_OK
               : ctl_fail(EXIT_CODE_FAULT, command, "standard output: %s", strerror(errno));
}
