/*
 * An issuer at run time: its keys, when they were fetched, and the requests that wait for them.
 *
 * An invalid key set never replaces valid keys. Keys are fetched at start, when they are due for a
 * refresh, and when a token names a key that is not among them. Every process that reaches the
 * socket can cause the last kind of fetch, so it is rate-limited. After a failure, the daemon
 * fetches again on its own. The pause before each new try doubles, up to 30 s.
 */
#ifndef IDENTITY_ISSUER_H
#define IDENTITY_ISSUER_H

#include "base/loop.h"
#include "base/waiters.h"
#include "exchange/exchanger_client.h"
#include "jose/jwks.h"
#include "message/refusal.h"

/* after the latest successful fetch, whatever happened since */
#define KEYS_USABLE_S 86400

struct issuer;
struct issuer_config;

/*
 * Called when an issuer has new keys, before the waiters are woken. @text: the key set as it was
 * fetched; NULL if it came from a file or from the store.
 */
struct issuer_listener {
    void (*on_keys)(void *data, const struct issuer *issuer, const void *text, size_t len);
    void *data;
};

struct issuer {
    const struct issuer_config *config; /* a reference */
    struct loop *loop;
    struct exchanger_client *exchanger;
    struct jwks jwks; /* n == 0: no keys */
    struct job job;
    struct list waiters; /* woken with the issuer when a fetch succeeds, with NULL when it fails */
    struct timer refresh;
    struct timer staleness;
    const struct issuer_listener *listener;
    uint64_t unknown_kid_usec; /* the latest fetch caused by an unknown key; 0: none */
    uint64_t reserved_usec;  /* the same, of the reserve for pods that have not caused one lately */
    uint64_t attempt_usec;   /* the latest fetch while there were no keys */
    char error[320];         /* why the latest fetch failed; "": it succeeded */
    unsigned n_failed;       /* failed fetches since the latest success */
    uint64_t retry_usec;     /* after a failure: when the next fetch begins */
    char logged[320];        /* the failure that was logged last; "": none since a success */
    size_t n_skipped;        /* keys of the latest set that cannot be used */
    const char *skip_reason; /* why; the two are logged when one changes */
};

/*
 * Creates an issuer and starts the first fetch. If it has a key file, reads it before it returns.
 *
 * @ret_issuer: set on success only; the caller frees it with issuer_free().
 *
 * Returns 0 or -errno: the key file cannot be used, or the fetch cannot be started.
 */
int issuer_new(const struct issuer_config *config, struct loop *loop,
               struct exchanger_client *exchanger, const struct issuer_listener *listener,
               struct issuer **ret_issuer);

/* Returns how old the keys are; UINT64_MAX: there are none, or they come from a file. */
uint64_t issuer_keys_age_usec(const struct issuer *issuer, uint64_t now_usec);

/*
 * Uses a key set from the store until @until_usec of the boot clock. Ignores it if the issuer has
 * keys already or has a key file, or if the set is not valid.
 */
void issuer_take_stored(struct issuer *issuer, const void *text, size_t len, uint64_t until_usec);

/*
 * Replaces the configuration by a new one with the same settings. Reads a key file again, unless
 * issuer_new() has just read it for this configuration.
 */
void issuer_reload(struct issuer *issuer, const struct issuer_config *config);

/*
 * Frees the issuer, which may be NULL. Its keys count as withdrawn; waiters are woken. Returns
 * NULL.
 */
struct issuer *issuer_free(struct issuer *issuer);

DEFINE_CLEANUP(struct issuer *, issuer_free)

enum key_fetch {
    KEYS_UNDER_WAY, /* the waiter is called when the fetch ends */
    KEYS_READ,      /* the key file was read again; the waiter does not wait */
    KEYS_TOO_SOON,  /* rate-limited, or fetches fail: whether a newer key exists is not known; the
                       waiter does not wait */
};

/*
 * Fetches the keys, because the token's key is not among the current ones, or joins the fetch that
 * is under way or, after one or two that failed, about to begin.
 *
 * @caused_usec: when the caller's pod last caused such a fetch; 0: never. Updated if this call
 *               causes one. A pod that caused one lately cannot use up the reserve of the others,
 *               so that invented key ids do not block a token with a new key.
 */
enum key_fetch issuer_wait_for_keys(struct issuer *issuer, struct waiter *waiter,
                                    uint64_t *caused_usec);

/*
 * Sets @ret_refusal to ISSUER_UNAVAILABLE: a token cannot be verified with the current keys, and
 * newer ones cannot be fetched now. Returns the status.
 */
enum podlogin_status issuer_refuse(const struct issuer *issuer, struct refusal *ret_refusal);

#endif
