/*
 * One client's connection: bytes in both directions, and the token that it has logged in with.
 *
 * A frame that exceeds its pod's quota stays where it is, and nothing more is read until the
 * reserved time has come: a throttled client waits, and costs the daemon nothing.
 */
#ifndef SESSION_CONNECTION_H
#define SESSION_CONNECTION_H

#include "peer/peer.h"
#include "protocol/messages.h"
#include "session/quota.h"
#include "session/session.h"

/*
 * Answers that wait to be written. Nothing is read while there are any, so there are at most those
 * of all pending requests, the one that did not fit, and a refusal of a frame.
 */
#define OUTPUT_MAX (PENDING_PER_CONNECTION + 2)

struct connection {
    struct list node;
    struct loop_source source;
    struct sessions *sessions;
    struct peer peer;
    struct quota *quota;
    struct identity *identity;     /* NULL: no LOGIN, or its token was refused */
    bool has_login;                /* there was a LOGIN */
    struct refusal *login_refusal; /* why its token was refused; NULL: it was not, or no memory */
    struct list pending;           /* pending requests */
    size_t n_pending;
    struct secret *partial; /* input that is not a complete frame, or is throttled */
    struct secret **output; /* up to OUTPUT_MAX frames; NULL until a send() is short */
    size_t n_output;
    size_t output_at; /* bytes of the first that were sent */
    bool is_watched;  /* by the loop; not before the first input was served */
    bool is_last;     /* no frame follows that of the latest request */
    bool is_broken;   /* freed at the end of the event callback */

    struct timer throttle;     /* set while the next frame is throttled */
    enum charge throttled_for; /* the quota that throttles it */
    bool has_waited;           /* the next frame's reserved time has come */
    bool has_unused_login;     /* a LOGIN that no request has followed yet */
    struct timer timeout;      /* closes the connection */
    enum timeout {
        TIMEOUT_IDLE,
        TIMEOUT_FRAME,  /* a frame has begun and is not complete */
        TIMEOUT_OUTPUT, /* the client does not read its answers */
    } timeout_for;
    bool was_active; /* since the timeout was set for idleness */
};

/*
 * Takes ownership of @fd, and serves the requests that have arrived already.
 *
 * Returns false if the client was turned away because its pod exceeds its quota; the caller then
 * accepts no more in this round.
 */
bool connection_new(struct sessions *sessions, int fd);

/* Answers TOO_MANY because descriptors or memory ran out, and closes @fd. */
void connection_turn_away(int fd);

/* Closes and frees the connection. Its pending requests are not answered. */
void connection_free(struct connection *connection);

/* Frees the connection if it is broken, or if its last request has been answered. */
void connection_end(struct connection *connection);

/*
 * Applies a new configuration. Refuses pending requests for services that were removed or changed.
 */
void connection_reload(struct connection *connection, const struct config *config);

/*
 * Answers a request. On failure, the connection is broken; there is nothing for the caller to do.
 */
void connection_answer(struct connection *connection, const struct wire_message *message,
                       uint16_t id, const void *values);
void connection_answer_refusal(struct connection *connection, uint16_t id,
                               const struct refusal *refusal);

/* Returns why the connection has no identity. */
const struct refusal *connection_login_refusal(const struct connection *connection);

/* Sends a complete frame, now or when the client reads. On failure, the connection is broken. */
void connection_send(struct connection *connection, const uint8_t *frame, size_t len);

#endif
