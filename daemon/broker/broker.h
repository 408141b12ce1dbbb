/*
 * The heart: one login per cache key, with its token, the one exchange in flight for it, and those
 * who wait for that.
 *
 * A request is judged (identity, rules) before it comes here, and again before it is answered.
 */
#ifndef BROKER_H
#define BROKER_H

#include "config.h"
#include "identity.h"
#include "link.h"
#include "store.h"

#define LOGINS_MAX     10000
#define TOKEN_MARGIN_S 5 /* a token that ends within it is not handed out any more */

enum login_state {
    LOGIN_IDLE,       /* its token, if there is one, is what there is */
    LOGIN_EXCHANGING, /* the exchanger has a job for it */
    LOGIN_STORING,    /* the new token is on its way to the disk */
    LOGIN_STATES,
};

struct broker;

struct login {
    struct digest_node node; /* keyed by the cache key */
    struct list age;
    struct broker *broker;
    enum login_state state;
    struct token token; /* frame NULL: none */
    struct list waiters;
    struct job job;
    struct store_write write;
    int64_t asked_s;        /* when the exchange began; the token's life cannot have begun before */
    struct timer slow_disk; /* while the write is under way */
    struct token fresh;     /* while it is being stored */
    struct digest leader;   /* digest of the JWT in the exchange */
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
    bool is_leader; /* its JWT is in the exchange */
    void (*on_answer)(struct broker_waiter *waiter, const struct broker_answer *answer);
};

struct broker {
    struct loop *loop;
    struct link *link;
    struct store *store;
    struct digest_map logins;
    struct list by_age;
    struct timer purge;
};

/* Takes over what the store at @cache_path still has. As store_open(). */
int broker_init(struct broker *broker, struct loop *loop, struct link *link, const char *cache_path,
                const char *cache_key, char ret_error[STORE_ERROR_MAX]);
void broker_done(struct broker *broker);

/*
 * The token for @identity and @service that is at hand, with at least @min_ttl_s to live at @now_s;
 * NULL: there is none. No I/O, no allocation. Valid until the loop goes on.
 */
const struct token *broker_find(struct broker *broker, struct identity *identity,
                                const struct service *service, uint32_t min_ttl_s, int64_t now_s);

/*
 * Waits for an exchange, which is begun if none is in flight. PODLOGIN_OK: the waiter is called
 * later, never from here; else it is not, and the status is the answer.
 */
enum podlogin_status broker_join(struct broker *broker, struct broker_waiter *waiter);

/* Does not cancel the exchange: others, and later ones, profit from it. */
void broker_leave(struct broker_waiter *waiter);

#endif
