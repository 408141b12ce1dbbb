/* Connects to the daemon, and exchanges one request and one answer at a time. */
#include "library/client.h"

#include <errno.h>
#include <fcntl.h>
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
#define SLICE_MS     100 /* of connect(); how late a cancellation may be noticed */

void client_wipe(struct client *client)
{
    explicit_bzero(client->buffer, client->used);
    client->used = 0;
}

void client_close(struct client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
    client->is_logged_in = false;
}

/* poll() cannot wait for a place in the backlog, but a connect() that blocks can. */
static int make_connect_block(int fd, const struct deadline *deadline)
{
    int64_t left_ms = deadline_left_ms(deadline);
    int64_t ms = deadline->cancel_fd >= 0 && left_ms > SLICE_MS ? SLICE_MS : left_ms;
    struct timeval timeout = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    if (left_ms == 0)
        return -ETIME;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0 ||
        fcntl(fd, F_SETFL, 0) < 0)
        return -errno;
    return 0;
}

/*
 * Waits in the kernel while the daemon's backlog is full, at most until the deadline, and in slices
 * if the caller may cancel.
 */
static int connect_by(int fd, const struct sockaddr_un *address, const struct deadline *deadline)
{
    const struct sockaddr *any = (const struct sockaddr *)address;
    int r;

    if (connect(fd, any, sizeof(*address)) == 0)
        return 0;
    if (errno != EAGAIN)
        return -errno;
    r = make_connect_block(fd, deadline);
    if (r == 0 && connect(fd, any, sizeof(*address)) < 0)
        r = -errno;
    return r;
}

static int client_connect(struct client *client, const struct client_target *target)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd, r;

    if (strlen(target->socket) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    strcpy(address.sun_path, target->socket);
    fd = descriptor_raise(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (fd < 0)
        return -errno;
    r = connect_by(fd, &address, &target->deadline);
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
    client->pid = getpid();
    client->is_logged_in = false;
    return 0;
}

static void mark_used(struct client *client, size_t used)
{
    if (client->used < used)
        client->used = used;
}

static int write_all(int fd, const uint8_t *bytes, size_t len, const struct deadline *deadline)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        int r = 0;

        if (n < 0 && errno == EAGAIN)
            r = deadline_wait(deadline, fd, POLLOUT);
        else if (n < 0 && errno != EINTR)
            r = -errno;
        if (r < 0)
            return r;
        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

static int read_all(int fd, uint8_t *bytes, size_t len, const struct deadline *deadline)
{
    while (len > 0) {
        ssize_t n = recv(fd, bytes, len, MSG_DONTWAIT);
        int r = 0;

        if (n == 0)
            return -ECONNRESET;
        if (n < 0 && errno == EAGAIN)
            r = deadline_wait(deadline, fd, POLLIN);
        else if (n < 0 && errno != EINTR)
            r = -errno;
        if (r < 0)
            return r;
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
    size_t login_len = 0, len = 0, used = client->used;
    int r = 0;

    client->used = sizeof(client->buffer); /* an encoder that fails may have written some of it */
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
    client->used = used;
    mark_used(client, client->buffer_len);
    return write_all(client->fd, client->buffer, client->buffer_len, &target->deadline);
}

int client_send(struct client *client, const struct client_target *target,
                const struct wire_message *message, const void *values)
{
    int r = 0;

    /* A child inherits the connection. If it used it, it could log in for the parent, and either
     * could read the other's answers. */
    if (client->fd >= 0 && client->pid != getpid())
        client_close(client);
    if (client->fd < 0)
        r = client_connect(client, target);
    if (r < 0)
        return r;
    if (++client->last_id == 0)
        client->last_id = 1; /* LOGIN and errors that belong to no request have the id 0 */
    return write_request(client, target, message, values, client->last_id);
}

/* There is one request at a time, so an answer belongs to it, or is an error of the connection. */
int client_receive(struct client *client, const struct deadline *deadline,
                   struct wire_header *ret_header)
{
    int r = deadline_wait(deadline, client->fd, POLLIN);

    if (r == 0)
        r = read_all(client->fd, client->buffer, WIRE_HEADER_SIZE, deadline);
    if (r < 0)
        return r;
    wire_header_read(client->buffer, ret_header);
    if (ret_header->version != WIRE_VERSION || ret_header->payload_len > PODLOGIN_ANSWER_MAX ||
        (ret_header->id != client->last_id &&
         (ret_header->id != 0 || ret_header->type != MESSAGE_ERROR)))
        return -EBADMSG;
    client->buffer_len = WIRE_HEADER_SIZE + ret_header->payload_len;
    mark_used(client, client->buffer_len);
    return read_all(client->fd, client->buffer + WIRE_HEADER_SIZE, ret_header->payload_len,
                    deadline);
}

static int try_once(struct client *client, const struct client_target *target,
                    const struct wire_message *message, const void *values,
                    struct wire_header *ret_header)
{
    int r = client_send(client, target, message, values);

    /* a daemon that refuses a frame closes the connection; its error may still be in the buffer */
    if (r < 0 && (client->fd < 0 || (r != -EPIPE && r != -ECONNRESET)))
        return r;
    return client_receive(client, &target->deadline, ret_header);
}

bool client_may_retry(int r)
{
    return r == -ENOENT || r == -ECONNREFUSED || r == -ECONNRESET || r == -EPIPE || r == -EAGAIN ||
           r == -EINTR;
}

enum podlogin_status client_status(int r, bool was_connected)
{
    switch (r) {
    case 0:
        return PODLOGIN_OK;
    case -ECANCELED:
        return PODLOGIN_CANCELLED;
    case -ETIME:
        return was_connected ? PODLOGIN_TIMEOUT : PODLOGIN_UNREACHABLE;
    case -EBADMSG:
        return PODLOGIN_BAD_ANSWER;
    case -EKEYREJECTED:
        return PODLOGIN_UNTRUSTED_SERVER;
    case -EINVAL:
    case -ENOBUFS:
    case -ENAMETOOLONG:
        return PODLOGIN_BAD_ARGUMENT;
    default:
        return PODLOGIN_UNREACHABLE;
    }
}

static int nap(int *delay_ms, const struct deadline *deadline)
{
    int r = deadline_sleep(deadline, *delay_ms);

    *delay_ms = *delay_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : *delay_ms * 2;
    return r;
}

bool client_nap(uint32_t ms, const struct deadline *deadline)
{
    struct timespec now;
    uint32_t chance;

    clock_gettime(CLOCK_MONOTONIC, &now);
    chance = ((uint32_t)now.tv_nsec ^ (uint32_t)getpid() * UINT32_C(2654435761)) % (ms / 2 + 1);
    return ms + chance < deadline_left_ms(deadline) && deadline_sleep(deadline, ms + chance) == 0;
}

enum podlogin_status client_ask(struct client *client, const struct client_target *target,
                                const struct wire_message *message, const void *values,
                                struct wire_header *ret_header)
{
    int delay_ms = RETRY_MIN_MS;
    bool was_connected;
    int r;

    client->error = 0;
    for (;;) {
        r = try_once(client, target, message, values, ret_header);
        if (r == 0)
            return PODLOGIN_OK;
        was_connected = client->fd >= 0;
        if (r != -ETIME || !client->error) /* the deadline alone explains nothing */
            client->error = -r;
        client_close(client);
        if (!client_may_retry(r) || deadline_left_ms(&target->deadline) == 0)
            return client_status(r, was_connected);
        r = nap(&delay_ms, &target->deadline);
        if (r < 0)
            return client_status(r, was_connected);
    }
}
