/*
 * One client's connection: bytes in both directions, and the token it has logged in with.
 *
 * A frame that its pod has no turn for yet is left where it is, and nothing more is read until
 * then: who asks too often waits, and costs nothing while he does.
 */
#ifndef CONNECTION_H
#define CONNECTION_H

#include "peer/peer.h"
#include "protocol/messages.h"
#include "session/quota.h"
#include "session/session.h"

/* Nothing is read meanwhile: all that waited, the one that did not fit, and a refusal of a frame.
 */
#define OUTPUT_MAX (PENDING_PER_CONNECTION + 2)

struct connection {
    struct list node;
    struct loop_source source;
    struct sessions *sessions;
    struct peer peer;
    struct quota *quota;
    struct identity *identity;    /* NULL: not logged in, or badly */
    struct refusal login_refusal; /* why it is not */
    struct list pending;          /* requests that wait */
    size_t n_pending;
    struct secret *partial; /* input that is not a whole frame yet, or is held back */
    struct secret **output; /* up to OUTPUT_MAX, once the client does not take its answers */
    size_t n_output;
    size_t output_at; /* of the first */
    bool is_broken;   /* to be closed as soon as nobody works with it */

    struct timer throttle;     /* set while the next frame waits for its turn */
    enum charge throttled_for; /* for which it does */
    bool has_waited;           /* its turn has come */
    bool has_unused_login;     /* a LOGIN that no request has followed yet */
    struct timer timeout;      /* ends the connection */
    enum timeout {
        TIMEOUT_IDLE,
        TIMEOUT_FRAME,  /* one has begun and not ended */
        TIMEOUT_OUTPUT, /* the client does not take its answers */
    } timeout_for;
    bool was_active; /* since timeout was set for idleness */
};

/* Takes over @fd, and serves what it has to say already. False: its pod has had its share, so it
 * was turned away. */
bool connection_new(struct sessions *sessions, int fd);

/* For want of descriptors or memory: says TOO_MANY, and closes @fd. */
void connection_turn_away(int fd);
void connection_free(struct connection *connection);

/* Goes over to @config: ends those who wait for what is not in it any more. */
void connection_reload(struct connection *connection, const struct config *config);

/* Answers a request. What goes wrong makes the connection broken, and is nobody else's trouble. */
void connection_answer(struct connection *connection, const struct wire_message *message,
                       uint16_t id, const void *values);
void connection_answer_refusal(struct connection *connection, uint16_t id,
                               const struct refusal *refusal);

/* Sends a whole frame. */
void connection_send(struct connection *connection, const uint8_t *frame, size_t len);

#endif
