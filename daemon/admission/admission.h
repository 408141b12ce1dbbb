/*
 * Decides whether a token may use a service now. This is the only place that decides it: for hits
 * and misses, for requests that waited, for refreshes, for whoami and for podloginctl explain.
 *
 * Judging does no I/O, except to check that the client process is still running.
 */
#ifndef ADMISSION_ADMISSION_H
#define ADMISSION_ADMISSION_H

#include "config/config.h"
#include "identity/identity.h"
#include "peer/peer.h"

/* What is judged. */
struct admission {
    struct identities *identities;
    struct identity *identity;
    const struct service *service; /* NULL: no particular service, as for whoami */
    const struct peer *peer;       /* NULL: no client, as for a refresh */
    struct now now;
    enum newer_keys newer_keys;
    bool for_exchange; /* no cached token will do, so the JWT goes upstream */
};

/*
 * The checks, in the order in which they are made. Those that need no keys come first. The
 * signature comes before the time, so that a forged token is reported as forged, even if it has
 * expired.
 */
enum admission_check {
    CHECK_ISSUER,
    CHECK_AUDIENCE,
    CHECK_NODE,
    CHECK_PEER, /* the kernel and the token name the same pod */
    CHECK_SIGNATURE,
    CHECK_TIME,
    CHECK_RULES,
    CHECK_ALIVE,  /* the client process still runs: another process may hold its connection */
    CHECK_REVIEW, /* the API server accepts the token */
    ADMISSION_CHECKS,
};

enum admission_verdict {
    ADMISSION_GRANTED,
    ADMISSION_REFUSED,
    ADMISSION_NEEDS_KEYS,   /* with NEWER_KEYS_LATER: issuer_wait_for_keys(), then judge again */
    ADMISSION_NEEDS_REVIEW, /* review_wait(), then judge again */
};

/*
 * Makes the checks in order, until one does not pass. Sets @ret_refusal to the reason with
 * ADMISSION_REFUSED only.
 */
enum admission_verdict admission_judge(const struct admission *admission,
                                       struct refusal *ret_refusal);

/*
 * Makes one check. The checks before it need not have passed, but CHECK_NODE and CHECK_SIGNATURE
 * need an issuer: identity_issuer() has returned one. CHECK_REVIEW never refuses, so @ret_refusal
 * may be NULL for it.
 */
enum admission_verdict admission_check(const struct admission *admission,
                                       enum admission_check check, struct refusal *ret_refusal);

/*
 * Checks whether the kernel and the token name the same pod, independent of PeerAttestation=.
 *
 * Returns PODLOGIN_OK; or, with the reason in @ret_refusal, PODLOGIN_PEER_GONE,
 * PODLOGIN_PEER_MISMATCH or PODLOGIN_INTERNAL (the daemon cannot see the client's pod).
 */
enum podlogin_status admission_attest(const struct identity *identity, const struct peer *peer,
                                      struct refusal *ret_refusal);

#endif
