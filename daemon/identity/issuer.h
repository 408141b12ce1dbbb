/*
 * An issuer at run time: its key set, when it was fetched, and who waits for it.
 *
 * A bad answer never evicts good keys. Keys are fetched at start, again when they are due, and when
 * a token names a key that is not among them, which whoever reaches the socket can make happen, so
 * that is rate-limited.
 */
#ifndef ISSUER_H
#define ISSUER_H

#include "base/loop.h"
#include "base/waiters.h"
#include "exchange/exchanger_client.h"
#include "jose/jwks.h"

/* After the latest fetch that went well, whatever has happened since. */
#define KEYS_USABLE_S 86400

struct issuer;
struct issuer_config;

/*
 * Is told that an issuer has new keys, before those who wait for them are woken. @text: the key set
 * as it was fetched; NULL: it came from a file or from the store.
 */
struct issuer_listener {
    void (*on_keys)(void *data, const struct issuer *issuer, const void *text, size_t len);
    void *data;
};

struct issuer {
    const struct issuer_config *config; /* a reference */
    struct loop *loop;
    struct exchanger_client *exchanger;
    struct jwks jwks; /* n == 0: none had so far */
    struct job job;
    struct list waiters; /* for a fetch to end, well or badly */
    struct timer refresh;
    struct timer staleness;
    const struct issuer_listener *listener;
    uint64_t unknown_kid_usec; /* the latest fetch that an unknown key caused; 0: none */
    uint64_t reserved_usec;    /* the latest of those that were kept for who had caused none */
    uint64_t attempt_usec;     /* the latest fetch for want of any keys */
    char error[320];           /* why the latest fetch failed */
};

/* Begins the first fetch; a key file that cannot be read is an error at once. 0 or -errno. */
int issuer_new(const struct issuer_config *config, struct loop *loop,
               struct exchanger_client *exchanger, const struct issuer_listener *listener,
               struct issuer **ret_issuer);

/* A key set that was kept, to be used until @until_usec of the boot clock, unless there is one. */
void issuer_take_stored(struct issuer *issuer, const void *text, size_t len, uint64_t until_usec);

/* The same issuer in a new configuration; a key file is read again. */
void issuer_reload(struct issuer *issuer, const struct issuer_config *config);

/* Its keys count as withdrawn; those who wait for keys are called. */
struct issuer *issuer_free(struct issuer *issuer);

DEFINE_CLEANUP(struct issuer *, issuer_free)

enum key_fetch {
    KEYS_UNDER_WAY, /* the waiter is called when the fetch has ended */
    KEYS_READ,      /* from a file, at once, well or badly */
    KEYS_TOO_SOON,  /* after the fetch before; whether a newer key exists is not known */
};

/*
 * Asks for newer keys since a token's is not among those at hand. @caused_usec is the asker's: when
 * it last made keys be fetched so. Who did so lately cannot take the place of who did not, so that
 * made-up keys do not stop a token with a new one.
 */
enum key_fetch issuer_wait_for_keys(struct issuer *issuer, struct waiter *waiter,
                                    uint64_t *caused_usec);

#endif
