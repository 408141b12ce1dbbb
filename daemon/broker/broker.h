/*
 * The heart: all logins, found by cache key, and those who wait for one.
 *
 * A request is judged (identity, rules) before it comes here, and again before it is answered.
 */
#ifndef BROKER_H
#define BROKER_H

#include "base/failure.h"
#include "base/waiters.h"
#include "broker/token.h"
#include "config/config.h"
#include "exchange/exchanger_client.h"
#include "identity/identity.h"
#include "store/store.h"

struct broker {
    struct loop *loop;
    struct exchanger_client *exchanger;
    struct identities *identities;
    struct store *store;
    struct digest_map logins;
    size_t logins_max;
    struct list by_age;
    struct list upstreams;
    struct failures misconfigured; /* by digest of the service */
    struct list dirty;             /* logins whose token is not on the disk as it should be */
    struct list writes;            /* writes under way */
    bool is_disk_slow;             /* which is said once */
    struct timer tick;
    struct timer opening; /* of rows, after the start */
};

/* The news that a waiter is woken with, valid during the call. */
struct broker_answer {
    struct refusal refusal;
    const struct token *token; /* NULL: it is refused */
};

/* Embedded in its owner, which keeps the references. */
struct broker_waiter {
    struct waiter waiter;
    struct identity *identity;
    const struct service *service;
    bool may_only_join; /* an exchange that is in flight; none is begun for it */
    bool is_leader;     /* its JWT is in the exchange */
};

/* Takes over what the store at @config->cache still has. As store_open(). */
int broker_init(struct broker *broker, struct loop *loop, struct exchanger_client *exchanger,
                struct identities *identities, const struct config *config,
                char ret_error[STORE_ERROR_MAX]);
void broker_done(struct broker *broker);

/*
 * The token for @identity and @service that is at hand, with at least @min_ttl_s to live; NULL:
 * there is none. No I/O, no allocation, unless the token is due: then a refresh begins behind.
 * Valid until the loop goes on.
 */
const struct token *broker_find(struct broker *broker, struct identity *identity,
                                const struct service *service, uint32_t min_ttl_s, struct now now);

/*
 * Waits for an exchange, which is begun if none is in flight. Returns true if @waiter waits; it is
 * never woken from here, and may leave: the exchange goes on for others and later ones. False: it
 * does not, which @ret_refusal explains.
 */
bool broker_join(struct broker *broker, struct broker_waiter *waiter, struct refusal *ret_refusal);

/* The wall clock was set: what is told and kept about expiries is put right. */
void broker_clock_was_set(struct broker *broker);

/*
 * Goes over to @config. Logins of services that are gone or changed end, and their waiters are told
 * to ask again; other logins stay. Failures are forgotten.
 */
void broker_reload(struct broker *broker, const struct config *config);

#endif
