#include "bench/client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "base/cleanup.h"
#include "protocol/status.h"

static inline void file_closep(FILE **file)
{
    if (*file)
        fclose(*file);
}

static int fail(const char *what, int r)
{
    fprintf(stderr, "%s: %s\n", what, strerror(-r));
    return r;
}

uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int ticket_make(struct ticket *ticket, const char *jwt, size_t jwt_len, const char *service,
                       bool is_last)
{
    const struct message_login login = {.subject_token = wire_bytes(jwt, jwt_len)};
    const struct message_get get = {
        .service = wire_string(service), .timeout_ms = 30000, .is_last = is_last};
    uint8_t buffer[2 * (WIRE_HEADER_SIZE + PODLOGIN_REQUEST_MAX)];
    size_t login_len, get_len;
    int r = wire_encode(&message_login, 0, &login, buffer, sizeof(buffer), &login_len);

    if (r == 0)
        r = wire_encode(&message_get, 0, &get, buffer + login_len, sizeof(buffer) - login_len,
                        &get_len);
    if (r < 0)
        return r;
    *ticket = (struct ticket){
        .bytes = malloc(login_len + get_len),
        .len = login_len + get_len,
        .get_at = login_len,
    };
    if (!ticket->bytes)
        return -ENOMEM;
    memcpy(ticket->bytes, buffer, ticket->len);
    return 0;
}

static int tickets_add(struct tickets *tickets, const char *jwt, size_t len, const char *service,
                       bool is_last)
{
    struct ticket *grown = reallocarray(tickets->ticket, tickets->n + 1, sizeof(*grown));
    int r;

    if (!grown)
        return -ENOMEM;
    tickets->ticket = grown;
    r = ticket_make(&grown[tickets->n], jwt, len, service, is_last);
    if (r == 0)
        tickets->n++;
    return r;
}

int tickets_load(struct tickets *tickets, const char *jwt_path, const char *service, bool is_last)
{
    CLEANUP(file_closep)
    FILE *file = fopen(jwt_path, "re");
    CLEANUP(freep)
    char *line = NULL;
    size_t size = 0;
    ssize_t len;
    int r = 0;

    *tickets = (struct tickets){0};
    if (!file)
        return fail(jwt_path, -errno);
    while (r == 0 && (len = getline(&line, &size, file)) > 0) {
        if (line[len - 1] == '\n')
            len--;
        r = tickets_add(tickets, line, (size_t)len, service, is_last);
    }
    if (r == 0 && tickets->n == 0)
        r = -ENODATA;
    if (r < 0)
        tickets_done(tickets);
    return r < 0 ? fail(jwt_path, r) : 0;
}

void tickets_done(struct tickets *tickets)
{
    for (size_t i = 0; i < tickets->n; i++)
        free(tickets->ticket[i].bytes);
    free(tickets->ticket);
    *tickets = (struct tickets){0};
}

int client_connect(struct client *client, const char *socket_path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(socket_path) >= sizeof(address.sun_path))
        return fail(socket_path, -ENAMETOOLONG);
    strcpy(address.sun_path, socket_path);
    client->got = 0;
    client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0)
        return fail("socket", -errno);
    /* blocks only while the server's queue of new connections is full */
    if (connect(client->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return fail(socket_path, -errno);
    return 0;
}

void client_close(struct client *client)
{
    close(client->fd);
    client->fd = -1;
}

int client_ask(struct client *client, const struct ticket *ticket, size_t from)
{
    size_t len = ticket->len - from;
    ssize_t n;

    wire_set_id(ticket->bytes + ticket->get_at, ++client->id);
    client->started_ns = now_ns();
    n = send(client->fd, ticket->bytes + from, len, MSG_NOSIGNAL);
    if (n != (ssize_t)len)
        return fail("send", n < 0 ? -errno : -EIO);
    return 0;
}

static int refuse(const struct client *client, const struct wire_header *header)
{
    struct message_error error;

    if (header->type == MESSAGE_ERROR &&
        wire_decode(&message_error, client->answer + WIRE_HEADER_SIZE, header->payload_len,
                    &error) == 0)
        fprintf(stderr, "the answer is an error: %s: %.*s\n",
                status_info((enum podlogin_status)error.status)->name, (int)error.detail.len,
                (const char *)error.detail.at);
    else
        fprintf(stderr, "the answer is of type %u and id %u, not a token of id %u\n", header->type,
                header->id, client->id);
    return -EBADMSG;
}

long client_read(struct client *client)
{
    ssize_t n = recv(client->fd, client->answer + client->got, sizeof(client->answer) - client->got,
                     MSG_DONTWAIT);
    struct wire_header header;
    size_t len;

    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n <= 0)
        return fail("recv", n < 0 ? -errno : -ECONNRESET);
    client->got += (size_t)n;
    if (client->got < WIRE_HEADER_SIZE)
        return 0;
    wire_header_read(client->answer, &header);
    if (header.version != WIRE_VERSION || header.payload_len > PODLOGIN_ANSWER_MAX)
        return refuse(client, &header);
    len = WIRE_HEADER_SIZE + header.payload_len;
    if (client->got < len)
        return 0;
    if (client->got > len || header.type != MESSAGE_TOKEN || header.id != client->id)
        return refuse(client, &header);
    client->got = 0;
    return (long)len;
}
