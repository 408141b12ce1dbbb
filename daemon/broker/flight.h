/* An exchange, from its beginning to the answer: who leads it, when it is tried again, how it ends.
 */
#ifndef FLIGHT_H
#define FLIGHT_H

#include "broker/login.h"
#include "broker/upstream.h"

enum flight_state {
    FLIGHT_READY,      /* to be begun */
    FLIGHT_QUEUED,     /* for the upstream's breaker to let it through */
    FLIGHT_EXCHANGING, /* the exchanger has a job */
    FLIGHT_PAUSED,     /* before it is tried again */
    FLIGHT_STORING,    /* the new token is on its way to the disk */
    FLIGHT_STATES,
};

/* A login has one at most. */
struct flight {
    struct login *login;
    enum flight_state state;
    struct identity *leader;       /* a reference; its JWT is the subject token */
    const struct service *service; /* a reference */
    struct upstream *upstream;
    struct list queued; /* of the upstream */
    struct breaker_pass pass;
    struct job job;
    uint64_t asked_usec; /* the token's life cannot have begun before */
    unsigned n_retries;
    struct timer timer; /* PAUSED: the next try; STORING: the disk is slow */
    struct token fresh; /* while it is being stored */
};

/*
 * Begins the exchange of @leader's JWT for @login, which has none in flight, or queues it for the
 * upstream's breaker. Returns false if neither, which @ret_refusal explains.
 */
bool flight_begin(struct login *login, struct identity *leader, const struct service *service,
                  struct refusal *ret_refusal);

/* Goes over to @config. Returns false if its service is not in it. */
bool flight_reload(struct flight *flight, const struct config *config);

/* Gives it up; nobody is told. */
void flight_free(struct flight *flight);

/* Goes on with those that wait for the upstream's breaker, as far as it lets them. */
void upstream_turn(struct upstream *upstream);

/* The write of the login's token has ended. */
void flight_stored(struct login *login);

#endif
