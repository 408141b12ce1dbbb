/*
 * All logins, found by cache key, and the requests that wait for one.
 *
 * A request is judged (identity, rules) before it gets here, and again before it is answered.
 */
#ifndef BROKER_BROKER_H
#define BROKER_BROKER_H

#include "base/list.h"
#include "base/waiters.h"
#include "broker/token.h"
#include "config/config.h"
#include "exchange/exchanger_client.h"
#include "identity/identity.h"
#include "store/store.h"

struct broker {
    struct loop *loop;
    struct exchanger_client *const *exchangers;
    struct identities *identities;
    struct store *store;
    struct digest_map logins;
    size_t logins_max;
    struct list by_age;
    struct list upstreams;
    struct list misconfigured; /* services, as broker/misconfigured.h describes */
    struct list dirty;         /* logins whose token on the disk is missing or out of date */
    struct list writes;        /* writes that are under way */
    struct list purges;        /* that are under way (broker/purge.h) */
    bool is_disk_slow;         /* logged once, until a write ends */
    struct timer tick;
    struct timer opening; /* for opening rows in the background, after the start */
};

/* What a waiter is woken with; valid during the call. */
struct broker_answer {
    struct refusal refusal;
    const struct token *token; /* NULL: refused */
};

/* Embedded in its owner, which holds the references. */
struct broker_waiter {
    struct waiter waiter;
    struct identity *identity;
    const struct service *service;
    bool may_only_join; /* join an exchange that is in flight, do not begin one */
    uint64_t rejected;  /* the fingerprint of a token that the upstream rejects; 0: none */
    bool is_leader;     /* its JWT is the one that is exchanged */
};

/*
 * Opens the store at @config->cache and takes over the tokens in it, in the background. Returns as
 * store_open() does.
 *
 * @exchangers: EXCHANGERS of them; that for programs may come later, before a reload that needs it.
 */
int broker_init(struct broker *broker, struct loop *loop,
                struct exchanger_client *const *exchangers, struct identities *identities,
                const struct config *config, char ret_error[STORE_ERROR_MAX]);
void broker_done(struct broker *broker);

/*
 * Returns the cached token for @identity and @service with at least @min_ttl_s to live, but nine
 * tenths of its lifetime are always enough; or NULL if there is none. Valid until control returns
 * to the event loop.
 *
 * If the token is due, starts a refresh in the background. Otherwise does no I/O and allocates
 * nothing, unless the identity asks for another service than last time, or rows of the store are
 * not open yet.
 */
const struct token *broker_find(struct broker *broker, struct identity *identity,
                                const struct service *service, uint32_t min_ttl_s, struct now now);

/*
 * Waits for an exchange, and begins one if none is in flight.
 *
 * Returns true if @waiter waits. It is never woken from here, and it may leave at any time: the
 * exchange goes on for the others. Returns false, with the reason in @ret_refusal, if it does not
 * wait.
 */
bool broker_join(struct broker *broker, struct broker_waiter *waiter, struct refusal *ret_refusal);

/*
 * Waits for another token than the one that broker_find() has just returned for @waiter's identity
 * and service. When there is one, @waiter is woken with a broker_answer, of which only the refusal
 * counts: the login may have ended instead. It may leave at any time.
 *
 * @min_ttl_s: the remaining lifetime that the token needs.
 *
 * Returns for how long it has it, in microseconds.
 */
uint64_t broker_watch(struct broker *broker, struct broker_waiter *waiter, uint32_t min_ttl_s,
                      struct now now);

/* Updates the expiry of all tokens, in memory and on the disk, after the wall clock was set. */
void broker_clock_was_set(struct broker *broker);

/*
 * Applies a new configuration. Logins of services that were removed or changed end, and their
 * waiters are told to try again; other logins stay. Remembered failures are forgotten.
 */
void broker_reload(struct broker *broker, const struct config *config);

#endif
