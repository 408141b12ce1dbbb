/*
 * May this token use this service now? The only place that answers it: for requests, hits and
 * misses alike, for those who waited, for refreshes, for whoami and for podloginctl explain.
 *
 * Judging does no I/O but to look whether the caller's process still lives.
 */
#ifndef ADMISSION_H
#define ADMISSION_H

#include "config/config.h"
#include "identity/identity.h"
#include "peer/peer.h"

/* Who asks for what. */
struct admission {
    struct identities *identities;
    struct identity *identity;
    const struct service *service; /* NULL: no particular one, as for whoami */
    const struct peer *peer;       /* NULL: nobody is connected, as for a refresh */
    struct now now;
    bool may_wait;     /* for keys of the issuer */
    bool for_exchange; /* a token of the cache will not do, so the JWT goes upstream */
};

/*
 * In the order in which they are made: first those that cost no keys. The signature comes before
 * the time, so that a token that is forged and expired is called forged.
 */
enum admission_check {
    CHECK_ISSUER,
    CHECK_AUDIENCE,
    CHECK_NODE,
    CHECK_PEER, /* the kernel agrees with the token about the pod */
    CHECK_SIGNATURE,
    CHECK_TIME,
    CHECK_RULES,
    CHECK_ALIVE,  /* the process that connected still runs: another may have its connection */
    CHECK_REVIEW, /* the API server still accepts the token */
    ADMISSION_CHECKS,
};

enum admission_verdict {
    ADMISSION_GRANTED,
    ADMISSION_REFUSED,
    ADMISSION_NEEDS_KEYS,   /* only if it may wait: issuer_wait_for_keys(), and judge again */
    ADMISSION_NEEDS_REVIEW, /* review_wait(), and judge again */
};

/*
 * Makes all checks, in order, until one does not pass. With ADMISSION_REFUSED, @ret_refusal says
 * why; else it is left alone.
 */
enum admission_verdict admission_judge(const struct admission *admission,
                                       struct refusal *ret_refusal);

/*
 * Makes one check. Those before it need not have passed, except that all but CHECK_ISSUER and
 * CHECK_TIME need an issuer. CHECK_REVIEW refuses nothing, so it takes NULL for @ret_refusal.
 */
enum admission_verdict admission_check(const struct admission *admission,
                                       enum admission_check check, struct refusal *ret_refusal);

/*
 * Whether the kernel agrees with the token about the pod, whatever PeerAttestation= makes of it.
 *
 * Returns PODLOGIN_OK, or PODLOGIN_PEER_GONE, PODLOGIN_PEER_MISMATCH or PODLOGIN_INTERNAL (the
 * daemon cannot see it), which @ret_refusal explains.
 */
enum podlogin_status admission_attest(const struct identity *identity, const struct peer *peer,
                                      struct refusal *ret_refusal);

#endif
