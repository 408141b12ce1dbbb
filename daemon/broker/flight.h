/*
 * An exchange in flight, from its beginning to its answer: who leads it, when it is retried, how it
 * ends.
 */
#ifndef BROKER_FLIGHT_H
#define BROKER_FLIGHT_H

#include "broker/login.h"
#include "broker/upstream.h"

enum flight_state {
    FLIGHT_READY,      /* about to be sent or queued */
    FLIGHT_QUEUED,     /* waits for the upstream's breaker */
    FLIGHT_EXCHANGING, /* the exchanger has the job */
    FLIGHT_PAUSED,     /* waits before a retry */
    FLIGHT_STORING,    /* waits for the new token to be written to the disk */
    FLIGHT_STATES,
};

/* Each login has at most one. */
struct flight {
    struct login *login;
    enum flight_state state;
    struct identity *leader;       /* a reference; its JWT is the subject token */
    const struct service *service; /* a reference */
    struct upstream *upstream;
    struct list queued; /* in the upstream's list while QUEUED */
    struct breaker_pass pass;
    struct job job;
    uint64_t asked_usec; /* when the exchange was sent: the token's lifetime cannot begin earlier */
    unsigned n_retries;
    unsigned n_misconfigured; /* leaders whose exchange was answered so */
    struct timer timer;       /* PAUSED: the retry; STORING: the disk is slow */
    struct token fresh;       /* the new token, while STORING */
};

/*
 * Exchanges @leader's JWT for @login, or queues the exchange if the upstream's breaker holds it
 * back. @login has no flight.
 *
 * Returns false, with the reason in @ret_refusal, if it does neither.
 */
bool flight_begin(struct login *login, struct identity *leader, const struct service *service,
                  struct refusal *ret_refusal);

/* Applies a new configuration. Returns false if it does not have the flight's service. */
bool flight_reload(struct flight *flight, const struct config *config);

/* Cancels the exchange and frees the flight. Waiters are not woken. */
void flight_free(struct flight *flight);

/* Sends queued exchanges, as many as the upstream's breaker lets through. */
void upstream_turn(struct upstream *upstream);

/* Called when a write of @login's token has ended, successful or not. */
void flight_stored(struct login *login);

#endif
