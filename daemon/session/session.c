/* The list of connections, how many there may be, and what a reload means for them. */
#include "session/session.h"

#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>

#include "base/activation.h"
#include "session/connection.h"
#include "session/pending.h"

#define DESCRIPTORS_KEPT 64 /* for the store, the exchanger, the loop, files */

static enum peer_view view_of(const struct config *config)
{
    const struct limits *limits = &config->limits;
    bool counts = limits->connections_per_pod || limits->requests.per_s ||
                  limits->signature_checks.per_s || limits->misses;

    if (config->attestation != ATTESTATION_OFF)
        return PEER_PINNED;
    return counts ? PEER_POD : PEER_USER;
}

enum peer_view sessions_view(const struct sessions *sessions)
{
    return view_of(sessions->config);
}

/* At the maximum number of connections, further ones wait in the kernel's queue. */
static void pace(struct sessions *sessions)
{
    if (sessions->is_stopping || sessions->n_connections >= sessions->max_connections)
        listener_pause(&sessions->listener);
    else
        listener_resume(&sessions->listener);
}

static bool on_accept(struct listener *listener, int fd)
{
    struct sessions *sessions = container_of(listener, struct sessions, listener);
    bool goes_on = connection_new(sessions, fd);

    pace(sessions);
    return goes_on;
}

static void on_shortage(struct listener *listener, int fd)
{
    (void)listener;
    connection_turn_away(fd);
}

static const struct listener_events events = {.on_accept = on_accept, .on_shortage = on_shortage};

void sessions_add(struct sessions *sessions, struct list *node)
{
    list_append(&sessions->connections, node);
    sessions->n_connections++;
}

void sessions_remove(struct sessions *sessions, struct list *node)
{
    list_remove(node);
    sessions->n_connections--;
    if (sessions->listener.loop)
        pace(sessions);
}

/* A connection takes two descriptors: its socket and its pidfd. */
static size_t connections_allowed(const struct limits *limits)
{
    struct rlimit limit;
    size_t room = DESCRIPTORS_KEPT / 2;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur > 2 * DESCRIPTORS_KEPT)
        room = (limit.rlim_cur - DESCRIPTORS_KEPT) / 2;
    return room < limits->connections ? room : limits->connections;
}

int sessions_init(struct sessions *sessions, struct loop *loop, const struct config *config,
                  struct identities *identities, struct broker *broker, bool replaces,
                  char ret_error[LISTENER_ERROR_MAX])
{
    /* every process that can traverse the directory may connect; the token tells who it is */
    const struct listener_place place = {.path = config->socket,
                                         .mode = 0666,
                                         .passed_fd = activation_take("podlogin"),
                                         .replaces = replaces};

    *sessions = (struct sessions){
        .loop = loop,
        .config = config_ref(config),
        .identities = identities,
        .broker = broker,
        .begun_usec = clock_boot_usec(),
        .input = secret_alloc(SESSION_INPUT_MAX),
        .max_connections = connections_allowed(&config->limits),
    };
    quotas_init(&sessions->quotas);
    list_init(&sessions->connections);
    snprintf(ret_error, LISTENER_ERROR_MAX, "out of memory");
    return sessions->input ? listener_open(&sessions->listener, loop, &place, &events, ret_error)
                           : -ENOMEM;
}

/* Peers can only be looked at when they connect. Only enforcement rules out recycled pids. */
static bool knows_too_little(const struct config *before, const struct config *after)
{
    return view_of(after) > view_of(before) || (after->attestation == ATTESTATION_ENFORCE &&
                                                before->attestation != ATTESTATION_ENFORCE);
}

void sessions_reload(struct sessions *sessions, const struct config *config)
{
    struct list *node = sessions->connections.next;
    const struct config *before = sessions->config;
    bool must_reconnect = knows_too_little(before, config);

    sessions->config = config_ref(config);
    config_unref(before);
    sessions->max_connections = connections_allowed(&config->limits);
    while (node != &sessions->connections) {
        struct connection *connection = container_of(node, struct connection, node);

        node = node->next;
        if (must_reconnect)
            connection_free(connection);
        else
            connection_reload(connection, config);
    }
    pace(sessions);
}

void sessions_stop(struct sessions *sessions)
{
    sessions->is_stopping = true;
    timer_unset(&sessions->listener.resume); /* of a shortage of descriptors */
    pace(sessions);
}

/* Clients that wait for a renewal do so again with the next daemon. */
static bool is_busy(const struct connection *connection)
{
    for (const struct list *node = connection->pending.next; node != &connection->pending;
         node = node->next)
        if (container_of(node, struct pending, node)->state != PENDING_RENEWAL)
            return true;
    return false;
}

bool sessions_are_busy(const struct sessions *sessions)
{
    for (const struct list *node = sessions->connections.next; node != &sessions->connections;
         node = node->next)
        if (is_busy(container_of(node, struct connection, node)))
            return true;
    return false;
}

void sessions_done(struct sessions *sessions)
{
    listener_close(&sessions->listener);
    while (sessions->connections.next && !list_is_empty(&sessions->connections))
        connection_free(container_of(sessions->connections.next, struct connection, node));
    quotas_done(&sessions->quotas);
    sessions->input = secret_free(sessions->input);
    sessions->config = config_unref(sessions->config);
}
