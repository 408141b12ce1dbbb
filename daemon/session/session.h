/* The client socket: connections from accept to close, frames in, answers out. */
#ifndef SESSION_H
#define SESSION_H

#include "base/loop.h"
#include "broker/broker.h"
#include "config/config.h"
#include "identity/identity.h"
#include "session/backlog.h"
#include "session/quota.h"

#define REQUESTS_PER_CONNECTION 64
#define SESSION_ERROR_MAX       256
#define SESSION_INPUT_MAX       32768 /* what is read at once; at least one whole frame */

struct sessions {
    struct loop *loop;
    const struct config *config;
    struct identities *identities;
    struct broker *broker;
    struct loop_source listener;
    struct list connections;
    size_t n_connections;
    size_t max_connections; /* so that descriptors are left for everything else */
    struct quotas quotas;
    struct backlog backlog;
    bool is_paused;      /* the listener, while there are that many, or no descriptors */
    struct timer resume; /* then */
    int reserve_fd;      /* given up to turn one away where there are no descriptors */
    uint8_t input[SESSION_INPUT_MAX];
};

/* Listens at config->socket. 0, or -errno with a sentence in @ret_error. */
int sessions_init(struct sessions *sessions, struct loop *loop, const struct config *config,
                  struct identities *identities, struct broker *broker,
                  char ret_error[SESSION_ERROR_MAX]);

/* Goes over to @config; connections stay, and so do those who wait for services that stay. */
void sessions_reload(struct sessions *sessions, const struct config *config);

/* How closely connections' peers are looked at: no closer than anything depends on. */
enum peer_view sessions_view(const struct sessions *sessions);

/* A connection has ended, so there is room for another. */
void sessions_resume(struct sessions *sessions);

/* Closes all connections; waiting clients connect to the next daemon. */
void sessions_done(struct sessions *sessions);

#endif
