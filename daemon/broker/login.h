/*
 * One login: its token, the one exchange in flight for it, those who wait for that, and when it is
 * refreshed. For broker.c, which holds them.
 */
#ifndef LOGIN_H
#define LOGIN_H

#include "broker.h"
#include "upstream.h"

enum flight_state {
    FLIGHT_READY,      /* to be begun */
    FLIGHT_QUEUED,     /* for the upstream's breaker to let it through */
    FLIGHT_EXCHANGING, /* the exchanger has a job */
    FLIGHT_PAUSED,     /* before it is tried again */
    FLIGHT_STORING,    /* the new token is on its way to the disk */
    FLIGHT_STATES,
};

/* An exchange, from its beginning to the answer; a login has one at most. */
struct flight {
    struct login *login;
    enum flight_state state;
    struct identity *leader; /* a reference; its JWT is the subject token */
    const struct service *service;
    struct upstream *upstream;
    struct list queued; /* of the upstream */
    struct breaker_pass pass;
    struct job job;
    uint64_t asked_usec; /* the token's life cannot have begun before */
    unsigned n_retries;
    struct timer timer; /* PAUSED: the next try; STORING: the disk is slow */
    struct token fresh; /* while it is being stored */
};

/* A token on its way to the disk, which may outlive its login. */
struct keep {
    struct list node; /* of the broker */
    struct store_write write;
    struct login *login; /* NULL: it is gone, or has a newer token */
};

struct login {
    struct digest_node node; /* keyed by the cache key */
    struct list age;
    struct broker *broker;
    struct token token; /* frame NULL: none */
    struct list waiters;
    struct flight *flight; /* NULL: none */
    struct keep *keep;     /* the latest; NULL: none under way */
    struct list unkept;

    /* for the refresh */
    struct timer refresh;
    struct identity *newest;       /* a reference: of those that came, the one that lives longest */
    const struct service *service; /* through which it was admitted */
    bool was_used;                 /* since the token came */
    bool is_due;                   /* but nobody has asked for it lately: the next one makes it */
};

/* Adds itself to the broker's. NULL: out of memory. */
struct login *login_new(struct broker *broker, const struct digest *key);

/* Nobody waits for it. An exchange under way is cancelled. */
void login_free(struct login *login);

/* Nobody waits for it, and nothing is under way. */
bool login_is_idle(const struct login *login);

/* A token from the store: as if it had been exchanged when it was. */
void login_take_over(struct login *login, struct token *token);

/* Somebody who is admitted asks for it. */
void login_used(struct login *login, struct identity *identity, const struct service *service);

/* Begins an exchange. False: it does not, and *ret_answer says why. */
bool login_lead(struct login *login, struct identity *leader, const struct service *service,
                struct broker_answer *ret_answer);

/* Its token is not on the disk as it should be. */
void login_mark_unkept(struct login *login);

/* Begins to write its token, if that is not on the disk as it should be. */
void login_keep(struct login *login);

/* The wall clock was set: the token says when it expires by what the clock says now. */
void login_clock_was_set(struct login *login, struct now now);

/* Goes over to @config. False: its service is not in it any more. */
bool login_reload(struct login *login, const struct config *config);

/* Drops the JWT that is kept for the refresh if it has expired. */
void login_drop_expired(struct login *login, struct now now);

#endif
