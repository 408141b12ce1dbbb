/*
 * A service-account token, parsed, verified and remembered.
 *
 * A verified token is remembered together with the key that verified it. Whether it may be used,
 * and for which service, is decided by admission/ for each request.
 */
#ifndef IDENTITY_IDENTITY_H
#define IDENTITY_IDENTITY_H

#include "base/clock.h"
#include "base/digest.h"
#include "base/keyed_hash.h"
#include "base/secret.h"
#include "identity/claims.h"
#include "identity/issuer.h"
#include "identity/node.h"
#include "identity/review.h"
#include "jose/jws.h"

#define IDENTITIES_MAX 10000 /* verified tokens that are remembered */

/*
 * Data that a higher layer attaches to an identity, embedded in its owner. It is freed with the
 * identity.
 */
struct identity_memo {
    void (*free)(struct identity_memo *memo);
};

/* One token, shared by all connections that presented it. */
struct identity {
    struct digest_node node; /* in identities.verified */
    struct list age;
    bool is_remembered;
    unsigned n_refs;

    struct secret *jwt;
    struct digest digest; /* the SHA-256 of the token */
    struct json_value *payload;
    struct claims claims;       /* its strings point into the payload */
    struct issuer *issuer;      /* at the generation; read it with identity_issuer() */
    uint64_t generation;        /* identities.generation when the issuer was looked up */
    struct jws *jws;            /* until the signature is verified; then NULL */
    struct jwk *key;            /* the key that verified the signature; NULL: not verified */
    struct jwk *wrong_key;      /* the key by this name that did not; NULL: none */
    uint64_t expires_boot_usec; /* "exp" by the boot clock; UINT64_MAX: not set yet */

    uint64_t admitted_service;  /* the id of one whose rules admit the claims; 0: none */
    struct review *review;      /* NULL: none yet */
    struct identity_memo *memo; /* NULL: none */
};

/* All verified tokens, the issuers, and the node that tokens must name. */
struct identities {
    struct loop *loop;
    struct exchanger_client *exchanger;
    const struct config *config; /* a reference; NULL before the first identities_reload() */
    struct issuer **issuers;     /* in the order of the configuration */
    size_t n_issuers;
    uint64_t generation; /* incremented by each reload */
    struct issuer_listener listener;
    struct issuer_listener fetched; /* called only for key sets that were fetched, to store them */
    struct own_node node;
    struct digest_map verified; /* by a keyed hash of the token, in the first word of the key */
    struct hash_key hash_key;
    struct list by_age;
    int64_t latest_offset_s; /* wall clock minus boot clock, the greatest so far */
};

/* Returns 0 or -errno. The caller calls identities_done() in both cases. */
int identities_init(struct identities *identities, const struct config *config, struct loop *loop,
                    struct exchanger_client *exchanger);
void identities_done(struct identities *identities);

/*
 * Applies a new configuration in two steps, because the first can fail: identities_prepare()
 * creates the issuers that @config needs, and identities_reload() starts to use them and takes
 * ownership of @issuers. Issuers with unchanged settings keep their keys. Waiters for keys of a
 * removed issuer are woken.
 *
 * identities_prepare() returns 0 or -errno.
 */
int identities_prepare(struct identities *identities, const struct config *config,
                       struct issuer ***ret_issuers);
void identities_reload(struct identities *identities, const struct config *config,
                       struct issuer **issuers);

/* Returns a new reference to the verified token, or NULL if it is not remembered. */
struct identity *identities_recall(struct identities *identities, const void *jwt, size_t len);

/*
 * Parses a token. Nothing in the result can be trusted before identity_verify().
 *
 * @ret_identity: set on PODLOGIN_OK only; a reference for the caller.
 *
 * Returns PODLOGIN_OK; or, with the reason in @ret_refusal, PODLOGIN_TOKEN_MALFORMED,
 * PODLOGIN_TOKEN_BAD_ALGORITHM or PODLOGIN_INTERNAL (out of memory).
 */
enum podlogin_status identities_parse(const void *jwt, size_t len, struct identity **ret_identity,
                                      struct refusal *ret_refusal);

/* Recalls the token, or parses it if it is not remembered. Returns as identities_parse() does. */
enum podlogin_status identities_find(struct identities *identities, const void *jwt, size_t len,
                                     struct identity **ret_identity, struct refusal *ret_refusal);

/* Returns the configured issuer whose URL is the token's "iss", or NULL if there is none. */
struct issuer *identity_issuer(const struct identities *identities, struct identity *identity);

enum verification {
    IDENTITY_VERIFIED,
    IDENTITY_REFUSED,
    IDENTITY_NEEDS_KEYS,
};

/* What the caller of identity_verify() knows about newer keys than those of the issuer. */
enum newer_keys {
    NEWER_KEYS_NONE,    /* there are none, as far as the caller cares: an unknown key is refused */
    NEWER_KEYS_LATER,   /* it can wait for them with issuer_wait_for_keys() */
    NEWER_KEYS_UNKNOWN, /* they cannot be fetched now: an unknown key may be among them */
};

/*
 * Verifies the signature, unless it was verified before by a key that the issuer still publishes.
 * identity_issuer() has returned an issuer for @identity since the latest reload.
 *
 * Returns IDENTITY_VERIFIED; IDENTITY_REFUSED, with the reason in @ret_refusal; or, with
 * NEWER_KEYS_LATER only, IDENTITY_NEEDS_KEYS: the issuer's current keys do not include the token's,
 * or it has another key by this name.
 */
enum verification identity_verify(struct identities *identities, struct identity *identity,
                                  enum newer_keys newer, struct refusal *ret_refusal);

/*
 * Checks the token's times by the wall clock and by the boot clock. Returns as claims_judge_time()
 * does.
 */
enum podlogin_status identity_judge_time(struct identities *identities, struct identity *identity,
                                         struct now now, struct refusal *ret_refusal);

/* Returns whether the token has expired by either clock. */
bool identity_has_expired(const struct identity *identity, struct now now);

/* identity_unref() accepts NULL and returns NULL. */
struct identity *identity_ref(struct identity *identity);
struct identity *identity_unref(struct identity *identity);

DEFINE_CLEANUP(struct identity *, identity_unref)

/* For identity.c: remembers a verified token; forgets one whose key was withdrawn. */
void identities_remember(struct identities *identities, struct identity *identity);
void identities_forget(struct identities *identities, struct identity *identity);

#endif
