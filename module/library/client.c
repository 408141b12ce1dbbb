/* Connects to the daemon, and exchanges one request and one answer at a time. */
#include "library/client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "text/descriptor.h"

#define RETRY_MIN_MS 5
#define RETRY_MAX_MS 100

int64_t clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void client_close(struct client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
    client->is_logged_in = false;
}

/* Limits the next wait in the kernel to the time that is left. Returns -ETIME if none is left. */
static int set_timeout(int fd, int option, int64_t deadline_ms)
{
    int64_t left_ms = deadline_ms - clock_ms();
    struct timeval timeout = {.tv_sec = left_ms / 1000, .tv_usec = left_ms % 1000 * 1000};

    if (left_ms <= 0)
        return -ETIME;
    return setsockopt(fd, SOL_SOCKET, option, &timeout, sizeof(timeout)) < 0 ? -errno : 0;
}

/* Blocks while the daemon's backlog is full, at most until the deadline. */
static int client_connect(struct client *client, const struct client_target *target)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd, r;

    if (strlen(target->socket) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    strcpy(address.sun_path, target->socket);
    fd = descriptor_raise(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (fd < 0)
        return -errno;
    r = set_timeout(fd, SO_SNDTIMEO, target->deadline_ms);
    if (r == 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        r = -errno;
    if (r == 0)
        r = server_judge(fd, target->socket, target->server_uid, &client->trust,
                         &client->server_uid);
    if (r == 0 && client->trust != SERVER_TRUSTED)
        r = -EKEYREJECTED;
    if (r < 0) {
        close(fd);
        return r;
    }
    client->fd = fd;
    client->is_logged_in = false;
    return 0;
}

static int write_all(int fd, const uint8_t *bytes, size_t len, int64_t deadline_ms)
{
    while (len > 0) {
        int r = set_timeout(fd, SO_SNDTIMEO, deadline_ms);
        ssize_t n = r < 0 ? -1 : send(fd, bytes, len, MSG_NOSIGNAL);

        if (r < 0)
            return r;
        if (n < 0 && errno != EINTR)
            return errno == EAGAIN ? -ETIME : -errno;
        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

static int read_all(int fd, uint8_t *bytes, size_t len, int64_t deadline_ms)
{
    while (len > 0) {
        int r = set_timeout(fd, SO_RCVTIMEO, deadline_ms);
        ssize_t n = r < 0 ? -1 : recv(fd, bytes, len, 0);

        if (r < 0)
            return r;
        if (n == 0)
            return -ECONNRESET;
        if (n < 0 && errno != EINTR)
            return errno == EAGAIN ? -ETIME : -errno;
        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

/* Writes LOGIN, if it is needed, and the request: one write, so one round trip. */
static int write_request(struct client *client, const struct client_target *target,
                         const struct wire_message *message, const void *values, uint16_t id)
{
    const struct message_login login = {.subject_token = wire_bytes(target->jwt, target->jwt_len)};
    bool needs_login = target->jwt && !client->is_logged_in;
    size_t login_len = 0, len = 0;
    int r = 0;

    if (needs_login)
        r = wire_encode(&message_login, 0, &login, client->buffer, sizeof(client->buffer),
                        &login_len);
    if (r == 0)
        r = wire_encode(message, id, values, client->buffer + login_len,
                        sizeof(client->buffer) - login_len, &len);
    if (r < 0)
        return r;
    client->is_logged_in = client->is_logged_in || needs_login;
    client->buffer_len = login_len + len;
    return write_all(client->fd, client->buffer, client->buffer_len, target->deadline_ms);
}

/* There is one request at a time, so an answer belongs to it, or is an error of the connection. */
static int read_answer(struct client *client, uint16_t id, int64_t deadline_ms,
                       struct wire_header *ret_header)
{
    int r = read_all(client->fd, client->buffer, WIRE_HEADER_SIZE, deadline_ms);

    if (r < 0)
        return r;
    wire_header_read(client->buffer, ret_header);
    if (ret_header->version != WIRE_VERSION || ret_header->payload_len > PODLOGIN_ANSWER_MAX ||
        (ret_header->id != id && (ret_header->id != 0 || ret_header->type != MESSAGE_ERROR)))
        return -EBADMSG;
    client->buffer_len = WIRE_HEADER_SIZE + ret_header->payload_len;
    return read_all(client->fd, client->buffer + WIRE_HEADER_SIZE, ret_header->payload_len,
                    deadline_ms);
}

static int try_once(struct client *client, const struct client_target *target,
                    const struct wire_message *message, const void *values,
                    struct wire_header *ret_header)
{
    uint16_t id;
    int r = 0;

    if (client->fd < 0)
        r = client_connect(client, target);
    if (r < 0)
        return r;
    if (++client->last_id == 0)
        client->last_id = 1; /* LOGIN and errors that belong to no request have the id 0 */
    id = client->last_id;
    r = write_request(client, target, message, values, id);
    /* a daemon that refuses a frame closes the connection; its error may still be in the buffer */
    if (r < 0 && r != -EPIPE && r != -ECONNRESET)
        return r;
    return read_answer(client, id, target->deadline_ms, ret_header);
}

static bool is_worth_another_try(int r)
{
    return r == -ENOENT || r == -ECONNREFUSED || r == -ECONNRESET || r == -EPIPE || r == -EAGAIN ||
           r == -EINTR;
}

static void nap(int *delay_ms, int64_t deadline_ms)
{
    int64_t left_ms = deadline_ms - clock_ms();

    poll(NULL, 0, left_ms < *delay_ms ? (int)(left_ms < 0 ? 0 : left_ms) : *delay_ms);
    *delay_ms = *delay_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : *delay_ms * 2;
}

bool client_nap(uint32_t ms, int64_t deadline_ms)
{
    struct timespec now;
    uint32_t chance;

    clock_gettime(CLOCK_MONOTONIC, &now);
    chance = ((uint32_t)now.tv_nsec ^ (uint32_t)getpid() * UINT32_C(2654435761)) % (ms / 2 + 1);
    if (clock_ms() + ms + chance >= deadline_ms)
        return false;
    poll(NULL, 0, (int)(ms + chance));
    return true;
}

enum podlogin_status client_ask(struct client *client, const struct client_target *target,
                                const struct wire_message *message, const void *values,
                                struct wire_header *ret_header)
{
    int delay_ms = RETRY_MIN_MS;
    bool was_connected = false;

    client->error = 0;
    for (;;) {
        int r = try_once(client, target, message, values, ret_header);

        if (r == 0)
            return PODLOGIN_OK;
        was_connected = client->fd >= 0;
        if (r != -ETIME || !client->error) /* the deadline alone explains nothing */
            client->error = -r;
        client_close(client);
        if (r == -ETIME)
            return was_connected ? PODLOGIN_TIMEOUT : PODLOGIN_UNREACHABLE;
        if (r == -EBADMSG)
            return PODLOGIN_BAD_ANSWER;
        if (r == -EKEYREJECTED)
            return PODLOGIN_UNTRUSTED_SERVER;
        if (r == -EINVAL || r == -ENOBUFS || r == -ENAMETOOLONG)
            return PODLOGIN_BAD_ARGUMENT;
        if (!is_worth_another_try(r) || clock_ms() >= target->deadline_ms)
            return PODLOGIN_UNREACHABLE;
        nap(&delay_ms, target->deadline_ms);
    }
}
