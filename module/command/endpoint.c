#include "command/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "command/request.h"
#include "text/descriptor.h"

#define HEAD_MAX       256
#define OWNER_CHECK_MS 1000 /* where the kernel cannot say when a process ends */

struct client {
    int fd; /* -1: the place is free */
    int64_t deadline_ms;
    size_t len;
    char request[ENDPOINT_REQUEST_MAX + 1]; /* with a NUL */
};

struct server {
    const struct endpoint *endpoint;
    struct client clients[ENDPOINT_CLIENTS_MAX];
};

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int make_key(char key[ENDPOINT_KEY_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t random[(ENDPOINT_KEY_SIZE - 1) / 2];

    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return -EIO;
    for (size_t i = 0; i < sizeof(random); i++) {
        key[2 * i] = digits[random[i] >> 4];
        key[2 * i + 1] = digits[random[i] & 15];
    }
    key[ENDPOINT_KEY_SIZE - 1] = '\0';
    return 0;
}

int endpoint_open(struct endpoint *endpoint)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int r = make_key(endpoint->key), fd;

    if (r < 0)
        return r;
    fd = descriptor_raise(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (fd < 0)
        return -errno;
    if (bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, SOMAXCONN) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0) {
        r = -errno;
        close(fd);
        return r;
    }
    endpoint->listener = fd;
    endpoint->port = ntohs(address.sin_port);
    return 0;
}

/* In a time that does not depend on where they differ. */
static bool is_key(const struct endpoint *endpoint, const char *text)
{
    unsigned char differs = 0;

    if (strlen(text) != ENDPOINT_KEY_SIZE - 1)
        return false;
    for (size_t i = 0; i < ENDPOINT_KEY_SIZE - 1; i++)
        differs |= (unsigned char)(endpoint->key[i] ^ text[i]);
    return differs == 0;
}

/* A browser that was tricked into asking (DNS rebinding) names another host. */
static bool is_own_host(const struct endpoint *endpoint, const char *host)
{
    char buffer[sizeof("127.0.0.1:65535")], number[NUMBER_SIZE];
    struct text text = text_in(buffer, sizeof(buffer));

    text_add(&text, "127.0.0.1:", number_text(endpoint->port, number), NULL);
    return strcmp(host, buffer) == 0;
}

static unsigned refuse(struct text *body, unsigned status, const char *reason)
{
    text_add(body, reason, "\n", NULL);
    return status;
}

static unsigned judge(const struct endpoint *endpoint, const struct request *request,
                      struct text *body)
{
    if (!request->host || !is_own_host(endpoint, request->host))
        return refuse(body, 403, "Host must be the address of this server");
    if (!request->authorization)
        return refuse(body, 400,
                      "Authorization is missing: send AWS_CONTAINER_AUTHORIZATION_TOKEN");
    if (!is_key(endpoint, request->authorization))
        return refuse(body, 403, "Authorization is not AWS_CONTAINER_AUTHORIZATION_TOKEN");
    if (strcmp(request->target, ENDPOINT_PATH) != 0)
        return refuse(body, 404, "the only path is " ENDPOINT_PATH);
    if (strcmp(request->method, "GET") != 0)
        return refuse(body, 400, "the only method is GET");
    return endpoint->answer(endpoint->context, body);
}

static const char *reason_of(unsigned status)
{
    return status == 200   ? "OK"
           : status == 400 ? "Bad Request"
           : status == 403 ? "Forbidden"
           : status == 404 ? "Not Found"
           : status == 429 ? "Too Many Requests"
           : status == 503 ? "Service Unavailable"
                           : "Internal Server Error";
}

static void drop(struct client *client)
{
    close(client->fd);
    explicit_bzero(client->request, sizeof(client->request));
    client->fd = -1;
}

/*
 * Sends the answer, and drops the client. The buffer of the socket is larger than any answer, so
 * nobody waits for a client that does not read.
 */
static void reply(struct client *client, unsigned status, const char *body)
{
    char head[HEAD_MAX], number[NUMBER_SIZE];
    struct text text = text_in(head, sizeof(head));
    size_t len = strlen(body);

    text_add(&text, "HTTP/1.1 ", number_text(status, number), " ", reason_of(status),
             "\r\nContent-Type: ", status == 200 ? "application/json" : "text/plain",
             "\r\nContent-Length: ", NULL);
    text_add(&text, number_text(len, number),
             "\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n", NULL);
    if (send(client->fd, head, strlen(head), MSG_NOSIGNAL | MSG_MORE) == (ssize_t)strlen(head))
        send(client->fd, body, len, MSG_NOSIGNAL);
    drop(client);
}

/* A client that has gone, tired of waiting for its turn, needs no answer. */
static bool is_there(const struct client *client)
{
    struct pollfd item = {.fd = client->fd, .events = POLLRDHUP};

    return poll(&item, 1, 0) == 0;
}

static void serve(const struct endpoint *endpoint, struct client *client)
{
    static char buffer[ENDPOINT_BODY_MAX];
    struct text body = text_in(buffer, sizeof(buffer));
    struct request request;
    unsigned status;

    if (!is_there(client)) {
        drop(client);
        return;
    }
    if (strlen(client->request) != client->len ||
        !request_parse(client->request, client->len, &request))
        status = refuse(&body, 400, "not a request that this server understands");
    else
        status = judge(endpoint, &request, &body);
    reply(client, status, buffer);
    explicit_bzero(buffer, sizeof(buffer));
}

/* A request is complete, or wrong, at an empty line. */
static void on_readable(const struct endpoint *endpoint, struct client *client)
{
    ssize_t n = recv(client->fd, client->request + client->len, ENDPOINT_REQUEST_MAX - client->len,
                     MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        drop(client);
        return;
    }
    client->len += (size_t)n;
    client->request[client->len] = '\0';
    if (memmem(client->request, client->len, "\r\n\r\n", 4) || client->len == ENDPOINT_REQUEST_MAX)
        serve(endpoint, client);
}

/* Returns a free place, or that of the oldest client, who has had most time. */
static struct client *place(struct server *server)
{
    struct client *oldest = &server->clients[0];

    for (size_t i = 0; i < ENDPOINT_CLIENTS_MAX; i++) {
        if (server->clients[i].fd < 0)
            return &server->clients[i];
        if (server->clients[i].deadline_ms < oldest->deadline_ms)
            oldest = &server->clients[i];
    }
    drop(oldest);
    return oldest;
}

static void on_connect(struct server *server)
{
    const int size = ENDPOINT_BODY_MAX + HEAD_MAX;
    int fd = accept4(server->endpoint->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct client *client;

    if (fd < 0)
        return;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    client = place(server);
    client->fd = fd;
    client->len = 0;
    client->deadline_ms = now_ms() + ENDPOINT_REQUEST_MS;
    on_readable(server->endpoint, client); /* most have sent their request already */
}

/* Drops the clients whose time is over. Returns how long to wait for the next, or -1. */
static int expire(struct server *server)
{
    int64_t now = now_ms(), next = -1;

    for (size_t i = 0; i < ENDPOINT_CLIENTS_MAX; i++) {
        struct client *client = &server->clients[i];
        int64_t left = client->deadline_ms - now;

        if (client->fd < 0)
            continue;
        if (left <= 0)
            drop(client);
        else if (next < 0 || left < next)
            next = left;
    }
    return (int)next;
}

/* One round: waits for the owner's end, for clients, and for what they send. */
static void turn(struct server *server, int owner)
{
    struct pollfd items[ENDPOINT_CLIENTS_MAX + 2] = {
        {.fd = owner, .events = POLLIN}, {.fd = server->endpoint->listener, .events = POLLIN}};
    struct client *clients[ENDPOINT_CLIENTS_MAX + 2];
    int wait_ms = expire(server);
    nfds_t n = 2; /* poll() takes no more items than there may be descriptors */

    for (size_t i = 0; i < ENDPOINT_CLIENTS_MAX; i++)
        if (server->clients[i].fd >= 0) {
            clients[n] = &server->clients[i];
            items[n++] = (struct pollfd){.fd = server->clients[i].fd, .events = POLLIN};
        }
    if (owner < 0 && (wait_ms < 0 || wait_ms > OWNER_CHECK_MS))
        wait_ms = OWNER_CHECK_MS;
    if (poll(items, n, wait_ms) <= 0)
        return;
    for (nfds_t i = 2; i < n; i++)
        if (items[i].revents)
            on_readable(server->endpoint, clients[i]);
    if (items[1].revents)
        on_connect(server);
}

void endpoint_serve(const struct endpoint *endpoint, int owner)
{
    static struct server server;
    int fd = (int)syscall(SYS_pidfd_open, owner, 0);

    server.endpoint = endpoint;
    for (size_t i = 0; i < ENDPOINT_CLIENTS_MAX; i++)
        server.clients[i].fd = -1;
    while (getppid() == owner)
        turn(&server, fd);
}
