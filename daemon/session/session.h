/* The client socket: connections from accept to close, frames in, answers out. */
#ifndef SESSION_H
#define SESSION_H

#include "base/loop.h"
#include "broker/broker.h"
#include "config/config.h"
#include "identity/identity.h"
#include "session/listener.h"
#include "session/quota.h"

#define PENDING_PER_CONNECTION 64
#define SESSION_INPUT_MAX      32768 /* what is read at once; at least one whole frame */

struct sessions {
    struct loop *loop;
    const struct config *config; /* a reference */
    struct identities *identities;
    struct broker *broker;
    struct listener listener;
    struct list connections;
    size_t n_connections;
    size_t max_connections; /* so that descriptors are left for everything else */
    struct quotas quotas;
    struct secret *input; /* SESSION_INPUT_MAX bytes for one read; wiped after it */
};

/* Listens at config->socket. 0, or -errno with a sentence in @ret_error. */
int sessions_init(struct sessions *sessions, struct loop *loop, const struct config *config,
                  struct identities *identities, struct broker *broker,
                  char ret_error[LISTENER_ERROR_MAX]);

/* Goes over to @config; connections stay, and so do those who wait for services that stay. */
void sessions_reload(struct sessions *sessions, const struct config *config);

/* How closely connections' peers are looked at: no closer than anything depends on. */
enum peer_view sessions_view(const struct sessions *sessions);

/* A connection, by its node, is among those that are counted; or no longer. */
void sessions_add(struct sessions *sessions, struct list *node);
void sessions_remove(struct sessions *sessions, struct list *node);

/* Closes all connections; waiting clients connect to the next daemon. */
void sessions_done(struct sessions *sessions);

#endif
