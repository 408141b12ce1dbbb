/*
 * One login: its token, the requests that wait for one, and its refresh. flight.c does the
 * exchange, write_behind.c the disk.
 */
#ifndef BROKER_LOGIN_H
#define BROKER_LOGIN_H

#include "broker/broker.h"

struct flight;
struct write_behind;

struct login {
    struct digest_node node; /* in broker.logins, by the cache key */
    struct list age;
    struct broker *broker;
    struct token token; /* frame NULL: no token */
    struct list waiters;
    struct list watchers;       /* that have the token, and wait for another one */
    struct flight *flight;      /* NULL: none */
    struct write_behind *write; /* the latest write; NULL: none under way */
    struct list dirty;

    /* for the refresh */
    struct timer refresh;
    struct waiter review;
    struct identity *newest;       /* a reference: the one that expires last of all that asked */
    const struct service *service; /* a reference: the service that newest asked for */
    char *account;                 /* "NAMESPACE/NAME"; NULL: nobody has asked since the start */
    bool was_used;                 /* since the token was obtained */
    bool is_due;                   /* the refresh is due: the next request starts it */
};

/* Creates a login and adds it to @broker's. Returns NULL if memory ran out. */
struct login *login_new(struct broker *broker, const struct digest *key);

/* Frees a login that nobody waits for or watches. Cancels its exchange. */
void login_free(struct login *login);

/* Returns whether nobody waits for it or watches it, and no exchange is in flight. */
bool login_is_idle(const struct login *login);

/*
 * Takes ownership of @token, fresh or from the store, and schedules its refresh by its own times.
 */
void login_take_over(struct login *login, struct token *token);

/* Wakes the watchers: the login has another token. */
void login_was_renewed(struct login *login);

/* Wakes the watchers: the token is about to be dropped. They ask again, and so begin an exchange.
 */
void login_refuse_watchers(struct login *login);

/* Drops the token, if there is one. An exchange that is in flight goes on. */
void login_drop_token(struct login *login);

/* Notes that an admitted request asked for the token. Starts the refresh if it is due. */
void login_used(struct login *login, struct identity *identity, const struct service *service);

/*
 * Schedules a retry of a failed refresh, spread over the remaining lifetime but not before
 * @delay_usec; none if the token expires first.
 */
void login_retry_later(struct login *login, uint64_t delay_usec);

/* Restates the token's expiry by the wall clock after it was set. */
void login_clock_was_set(struct login *login, struct now now);

/* Applies a new configuration. Returns false if it does not have the login's service. */
bool login_reload(struct login *login, const struct config *config);

/* Drops the identity that is kept for the refresh if it has expired. */
void login_drop_expired(struct login *login, struct now now);

#endif
