#include "support/sim_daemon.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/check.h"

#define CLIENTS_MAX 256

struct identities identities;
struct broker broker;
struct sessions sessions;
struct sim_disk disk;

static int clients[CLIENTS_MAX];
static size_t n_clients;

void sim_daemon_begin(const struct config *config)
{
    char error[LISTENER_ERROR_MAX];

    sim_loop.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    assert_true(sim_loop.epoll_fd >= 0);
    sim_disk_init(&disk);
    n_clients = 0;
    assert_int_equal(identities_init(&identities, config, &sim_loop, NULL), 0);
    sim_broker_init(&broker, &identities, config, &disk);
    if (sessions_init(&sessions, &sim_loop, config, &identities, &broker, false, error) < 0)
        fail_msg("%s", error);
}

void sim_daemon_end(void)
{
    sessions_done(&sessions);
    broker_done(&broker);
    identities_done(&identities);
    sim_run_for(20000 * SECOND_USEC); /* cancelled exchanges end */
    assert_null(sim_loop.timers.first);
    while (n_clients > 0)
        close(clients[--n_clients]);
    sim_disk_done(&disk);
    close(sim_loop.epoll_fd);
}

void sim_client_ask(const char *jwt, const struct wire_message *message, const void *values)
{
    const struct message_login login = {.subject_token = wire_string(jwt)};
    uint8_t frames[4096];
    size_t login_len, len;
    int ends[2];

    assert_true(n_clients < CLIENTS_MAX);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(wire_encode(&message_login, 1, &login, frames, sizeof(frames), &login_len), 0);
    assert_int_equal(
        wire_encode(message, 2, values, frames + login_len, sizeof(frames) - login_len, &len), 0);
    assert_int_equal(write(ends[0], frames, login_len + len), (ssize_t)(login_len + len));
    clients[n_clients++] = ends[0];
    assert_true(connection_new(&sessions, ends[1]));
}

void sim_client_leave(void)
{
    struct connection *connection =
        container_of(sessions.connections.prev, struct connection, node);

    close(clients[--n_clients]);
    connection->source.on_ready(&connection->source, EPOLLIN);
}

size_t sim_n_flights(enum flight_state state)
{
    size_t n = 0;

    for (struct list *node = broker.by_age.next; node != &broker.by_age; node = node->next) {
        const struct login *login = container_of(node, struct login, age);

        n += login->flight && login->flight->state == state;
    }
    return n;
}

size_t sim_n_pending(enum pending_state state)
{
    size_t n = 0;

    for (struct list *node = sessions.connections.next; node != &sessions.connections;
         node = node->next) {
        const struct connection *connection = container_of(node, struct connection, node);

        if (!list_is_empty(&connection->pending))
            n += container_of(connection->pending.next, struct pending, node)->state == state;
    }
    return n;
}
