/*
 * Whose token it is, by the word of the issuer: a service-account token, parsed, verified and
 * remembered.
 *
 * A token that was verified once is remembered by its SHA-256, with the key that verified it.
 * Whether it may be used, and for what, is for admission/ to judge on each request.
 */
#ifndef IDENTITY_H
#define IDENTITY_H

#include "base/clock.h"
#include "base/digest.h"
#include "base/secret.h"
#include "identity/claims.h"
#include "identity/issuer.h"
#include "identity/node.h"
#include "identity/review.h"
#include "jose/jws.h"

#define IDENTITIES_MAX 10000 /* verified ones that are remembered */

/* What a layer above keeps with an identity; freed with it. Embedded in its owner. */
struct identity_memo {
    void (*free)(struct identity_memo *memo);
};

/* Shared by the connections that presented the same token. */
struct identity {
    struct digest_node node; /* in the memory of verified ones, keyed by the token's digest */
    struct list age;
    bool is_remembered;
    unsigned n_refs;

    struct secret *jwt;
    json_t *payload;
    struct claims claims;       /* point into the payload */
    struct issuer *issuer;      /* of @generation; use identity_issuer() */
    uint64_t generation;        /* of the issuers when the issuer was looked up */
    struct jws *jws;            /* until it is verified */
    struct jwk *key;            /* that verified it; NULL: not yet */
    uint64_t expires_boot_usec; /* "exp" by the boot clock; UINT64_MAX: not dated yet */

    struct review review;
    struct identity_memo *memo; /* NULL: none */
};

/* All of them, the issuers that vouch for them, and the node that they have to be of. */
struct identities {
    struct loop *loop;
    struct exchanger_client *exchanger;
    const struct config *config; /* a reference; NULL before the first identities_reload() */
    struct issuer **issuers;     /* as in the configuration */
    size_t n_issuers;
    uint64_t generation; /* grows with each reload */
    struct issuer_listener listener;
    struct issuer_listener fetched; /* told only of key sets that were fetched, to store them */
    struct own_node node;
    struct digest_map verified;
    struct list by_age;
    int64_t latest_offset_s; /* of the wall clock from the boot clock, the greatest ever seen */
};

/* Returns 0 or -errno. identities_done() releases it in either case. */
int identities_init(struct identities *identities, const struct config *config, struct loop *loop,
                    struct exchanger_client *exchanger);
void identities_done(struct identities *identities);

/*
 * Applies a new configuration in two steps, because the first can fail: identities_prepare() makes
 * the issuers that @config needs, identities_reload() puts them to use and takes over @issuers.
 * Issuers whose settings have not changed keep their keys; those who wait for keys of an issuer
 * that is gone are woken.
 */
int identities_prepare(struct identities *identities, const struct config *config,
                       struct issuer ***ret_issuers);
void identities_reload(struct identities *identities, const struct config *config,
                       struct issuer **issuers);

/* The verified token with this digest, as a reference for the caller; NULL: it is not remembered.
 */
struct identity *identities_recall(struct identities *identities, const struct digest *digest);

/*
 * Parses the token in @jwt. Nothing in the result can be believed before identity_verify().
 *
 * Returns PODLOGIN_OK and a reference for the caller; or PODLOGIN_TOKEN_MALFORMED,
 * PODLOGIN_TOKEN_BAD_ALGORITHM or PODLOGIN_INTERNAL, which @ret_refusal explains.
 */
enum podlogin_status identities_parse(const void *jwt, size_t len, const struct digest *digest,
                                      struct identity **ret_identity, struct refusal *ret_refusal);

/* Both steps: recalls the token in @jwt, or parses it. As identities_parse(). */
enum podlogin_status identities_find(struct identities *identities, const void *jwt, size_t len,
                                     struct identity **ret_identity, struct refusal *ret_refusal);

/* The configured issuer that @identity names in "iss"; NULL: none. */
struct issuer *identity_issuer(const struct identities *identities, struct identity *identity);

enum verification {
    IDENTITY_VERIFIED,
    IDENTITY_REFUSED,
    IDENTITY_NEEDS_KEYS,
};

/*
 * Verifies the signature, unless a key that the issuer still publishes has verified it before.
 * @identity has an issuer.
 *
 * Returns IDENTITY_VERIFIED; IDENTITY_REFUSED, which @ret_refusal explains; or, only if @may_wait,
 * IDENTITY_NEEDS_KEYS: the issuer's present keys do not include the token's, and newer ones can be
 * waited for with issuer_wait_for_keys().
 */
enum verification identity_verify(struct identities *identities, struct identity *identity,
                                  bool may_wait, struct refusal *ret_refusal);

/* Judges the token's times by both clocks. As claims_judge_time(). */
enum podlogin_status identity_judge_time(struct identities *identities, struct identity *identity,
                                         struct now now, struct refusal *ret_refusal);

/* Whether either clock says so. */
bool identity_has_expired(const struct identity *identity, struct now now);

struct identity *identity_ref(struct identity *identity);
struct identity *identity_unref(struct identity *identity);

DEFINE_CLEANUP(struct identity *, identity_unref)

/* For identity.c: remembers a token that was just verified; forgets one that no longer is. */
void identities_remember(struct identities *identities, struct identity *identity);
void identities_forget(struct identities *identities, struct identity *identity);

#endif
