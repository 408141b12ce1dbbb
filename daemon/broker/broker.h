/*
 * The heart: all logins, found by cache key, and those who wait for one.
 *
 * A request is judged (identity, rules) before it comes here, and again before it is answered.
 */
#ifndef BROKER_H
#define BROKER_H

#include "base/failure.h"
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

/* What a waiter gets. */
struct broker_answer {
    enum podlogin_status status;
    const char *detail; /* NULL: nothing particular */
    uint32_t retry_after_ms;
    const struct token *token; /* with PODLOGIN_OK; valid during the callback */
    uint32_t source;           /* enum token_source */
};

/* Embedded in its owner. */
struct broker_waiter {
    struct list node;
    struct identity *identity; /* the owner's reference */
    const struct service *service;
    bool may_only_join; /* an exchange that is in flight; none is begun for it */
    bool is_leader;     /* its JWT is in the exchange */
    void (*on_answer)(struct broker_waiter *waiter, const struct broker_answer *answer);
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
 * Waits for an exchange, which is begun if none is in flight. True: the waiter is called later,
 * never from here. False: it is not, and *ret_answer says why, valid until the loop goes on.
 */
bool broker_join(struct broker *broker, struct broker_waiter *waiter,
                 struct broker_answer *ret_answer);

/* Does not cancel the exchange: others, and later ones, profit from it. */
void broker_leave(struct broker_waiter *waiter);

/* The wall clock was set: what is told and kept about expiries is put right. */
void broker_clock_was_set(struct broker *broker);

/*
 * Goes over to @config, before the one in use is freed. Nobody waits any more for a service that is
 * gone or changed. Logins of such services end, others stay; failures are forgotten.
 */
void broker_reload(struct broker *broker, const struct config *config);

#endif
