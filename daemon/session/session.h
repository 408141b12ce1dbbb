/* The client socket and all its connections, from accept to close. */
#ifndef SESSION_SESSION_H
#define SESSION_SESSION_H

#include "base/loop.h"
#include "broker/broker.h"
#include "config/config.h"
#include "identity/identity.h"
#include "session/listener.h"
#include "session/quota.h"

#define PENDING_PER_CONNECTION 64
#define SESSION_INPUT_MAX      32768 /* bytes that are read at once; at least one complete frame */

struct sessions {
    struct loop *loop;
    const struct config *config; /* a reference */
    struct identities *identities;
    struct broker *broker;
    struct listener listener;
    struct list connections;
    size_t n_connections;
    bool is_stopping;
    uint64_t begun_usec;    /* by the boot clock */
    size_t max_connections; /* leaves descriptors for everything else */
    struct quotas quotas;
    struct secret *input; /* SESSION_INPUT_MAX bytes for one read; wiped after it */
};

/*
 * Listens at config->socket, where it may replace another daemon (@replaces), or uses the socket
 * "podlogin" of the service manager. Returns 0, or -errno with a sentence in @ret_error. The caller
 * calls sessions_done() in both cases.
 */
int sessions_init(struct sessions *sessions, struct loop *loop, const struct config *config,
                  struct identities *identities, struct broker *broker, bool replaces,
                  char ret_error[LISTENER_ERROR_MAX]);

/*
 * Applies a new configuration. Connections stay, unless peers must now be looked at more closely;
 * pending requests stay if their service is unchanged.
 */
void sessions_reload(struct sessions *sessions, const struct config *config);

/*
 * Returns how closely peers are looked at: as closely as attestation and limits need, because each
 * step costs more.
 */
enum peer_view sessions_view(const struct sessions *sessions);

/* Adds a connection, by its node, to those that are counted; removes it. */
void sessions_add(struct sessions *sessions, struct list *node);
void sessions_remove(struct sessions *sessions, struct list *node);

/* Accepts no connections any more: they wait for the next daemon. Pending requests go on. */
void sessions_stop(struct sessions *sessions);

/* Returns whether a request is pending. */
bool sessions_are_busy(const struct sessions *sessions);

/* Closes all connections, and the listener; waiting clients connect to the next daemon. */
void sessions_done(struct sessions *sessions);

#endif
