/*
 * Who is asking, by the word of the issuer: a service-account token, parsed, judged and remembered.
 *
 * A token that was verified once is remembered by its SHA-256, with the key that signed it. Issuer,
 * audience, expiry and that key are judged again on every request.
 */
#ifndef IDENTITY_H
#define IDENTITY_H

#include "base/clock.h"
#include "base/digest.h"
#include "base/failure.h"
#include "base/secret.h"
#include "identity/claims.h"
#include "identity/issuer.h"
#include "identity/node.h"
#include "identity/review.h"
#include "jose/jws.h"
#include "peer/peer.h"

#define IDENTITIES_MAX 10000 /* verified ones that are remembered */

/* Shared by the connections that presented the same token. */
struct identity {
    struct digest_node node; /* in the memory of verified ones, keyed by the token's digest */
    struct list age;
    bool is_remembered;
    unsigned n_refs;

    struct secret *jwt;
    json_t *payload;
    struct claims claims;       /* point into the payload */
    struct issuer *issuer;      /* NULL: none that is configured */
    uint64_t generation;        /* of the issuers when it was looked up */
    struct jws *jws;            /* until it is verified */
    struct jwk *key;            /* that verified it; NULL: not yet */
    uint64_t expires_boot_usec; /* "exp" by the boot clock; UINT64_MAX: not verified yet */

    struct review review;
    struct failures refusals; /* of upstreams, by cache key */
    uint64_t keyed_service;   /* the id of the service for which cache_key was computed */
    struct digest cache_key;
};

struct identities {
    struct loop *loop;
    struct exchanger_client *exchanger;
    struct issuer **issuers; /* as in the configuration */
    size_t n_issuers;
    uint64_t generation; /* grows with each reload */
    struct key_listener key_listener;
    enum attestation attestation;
    struct own_node node;
    struct digest_map verified;
    struct list by_age;
    int64_t latest_offset_s; /* of the wall clock from the boot clock, the greatest ever seen */
};

int identities_init(struct identities *identities, const struct config *config, struct loop *loop,
                    struct exchanger_client *exchanger);
void identities_done(struct identities *identities);

/*
 * A new configuration, in two steps, since the first can fail: the issuers that it needs are made,
 * then it applies. Issuers whose settings have not changed go on with the keys they have; what
 * upstreams have refused is forgotten; who waits for keys of an issuer that is gone is called.
 */
int identities_prepare(struct identities *identities, const struct config *config,
                       struct issuer ***ret_issuers);
void identities_reload(struct identities *identities, const struct config *config,
                       struct issuer **issuers);

/*
 * Finds or parses the token in @jwt. Nothing that is not verified yet is believed by
 * identity_judge().
 *
 * Returns PODLOGIN_OK and a reference for the caller, or PODLOGIN_TOKEN_MALFORMED,
 * PODLOGIN_TOKEN_BAD_ALGORITHM, PODLOGIN_INTERNAL with a constant sentence.
 */
enum podlogin_status identities_find(struct identities *identities, const void *jwt, size_t len,
                                     struct identity **ret_identity, const char **ret_reason);

/* For what and by whom an identity is presented. */
struct presentation {
    const struct service *service; /* NULL: for none in particular */
    const struct peer *peer;       /* NULL: by nobody, as when a token is refreshed behind */
    struct now now;
    bool may_wait;   /* for keys of the issuer */
    bool is_our_own; /* the daemon's, which says what node this is */
};

/* In the order in which they are made: first what costs no keys and no time. */
enum identity_check {
    CHECK_ISSUER,
    CHECK_AUDIENCE,
    CHECK_NODE,
    CHECK_POD,
    CHECK_SIGNATURE,
    CHECK_TIME, /* last, so that a token that is forged as well as expired is called forged */
    CHECKS,
};

/* One of them. The others' results are no condition, but that there is an issuer. */
int identity_check(struct identities *identities, struct identity *identity,
                   const struct presentation *presentation, enum identity_check check,
                   enum podlogin_status *ret_status, const char **ret_reason);

/*
 * All of them, until one fails.
 *
 * Returns 1 if it @may_wait and the issuer's keys at hand do not have the token's: the caller then
 * goes to issuer_wait_for_keys(), and asks again without @may_wait. Else 0, with *ret_status
 * PODLOGIN_OK or the refusal, and *ret_reason NULL or what is particular to it, valid until the
 * loop goes on.
 */
int identity_judge(struct identities *identities, struct identity *identity,
                   const struct presentation *presentation, enum podlogin_status *ret_status,
                   const char **ret_reason);

/*
 * Whether the kernel agrees with the token about the pod, whatever PeerAttestation= makes of it.
 * As identity_judge().
 */
enum podlogin_status identity_attest(const struct identity *identity, const struct peer *peer,
                                     const char **ret_reason);

/* By either clock. */
bool identity_has_expired(const struct identity *identity, struct now now);

/* The two steps of identities_find(): the verified one whose token has this digest, or NULL, as a
 * reference for the caller; and reading one that is not among them. */
struct identity *identities_recall(struct identities *identities, const struct digest *digest);
enum podlogin_status identities_parse(const void *jwt, size_t len, const struct digest *digest,
                                      struct identity **ret_identity, const char **ret_reason);

struct identity *identity_ref(struct identity *identity);
struct identity *identity_unref(struct identity *identity);

DEFINE_CLEANUP(struct identity *, identity_unref)

#endif
