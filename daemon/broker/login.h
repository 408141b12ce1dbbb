/*
 * One login: its token, those who wait for one, and when it is refreshed. The exchange is
 * flight.c's, the disk keep.c's.
 */
#ifndef LOGIN_H
#define LOGIN_H

#include "broker/broker.h"

struct flight;
struct write_behind;

struct login {
    struct digest_node node; /* keyed by the cache key */
    struct list age;
    struct broker *broker;
    struct token token; /* frame NULL: none */
    struct list waiters;
    struct flight *flight;      /* NULL: none */
    struct write_behind *write; /* the latest; NULL: none under way */
    struct list dirty;

    /* for the refresh */
    struct timer refresh;
    struct waiter review;
    struct identity *newest;       /* a reference: of those that came, the one that lives longest */
    const struct service *service; /* a reference: through which it was admitted */
    bool was_used;                 /* since the token came */
    bool is_due;                   /* but nobody has asked for it lately: the next one makes it */
};

/* Adds itself to the broker's. NULL: out of memory. */
struct login *login_new(struct broker *broker, const struct digest *key);

/* Nobody waits for it. An exchange under way is cancelled. */
void login_free(struct login *login);

/* Nobody waits for it, and nothing is under way. */
bool login_is_idle(const struct login *login);

/* A new token, or one from the store: as if it had been exchanged when it was. */
void login_take_over(struct login *login, struct token *token);

/* Somebody who is admitted asks for it. */
void login_used(struct login *login, struct identity *identity, const struct service *service);

/* A refresh that failed is tried again, not before @delay_usec; spread over what is left. */
void login_retry_later(struct login *login, uint64_t delay_usec);

/* The wall clock was set: the token says when it expires by what the clock says now. */
void login_clock_was_set(struct login *login, struct now now);

/* Goes over to @config. False: its service is not in it any more. */
bool login_reload(struct login *login, const struct config *config);

/* Drops the JWT that is kept for the refresh if it has expired. */
void login_drop_expired(struct login *login, struct now now);

#endif
