/*
 * What one pod uses of the daemon, or one uid where no pod is known, so that nobody takes the
 * daemon away from the others: connections, requests, signature checks, exchanges.
 *
 * An account outlives its last connection for a while, or whoever is over a limit would only have
 * to connect anew.
 */
#ifndef QUOTA_H
#define QUOTA_H

#include "base/digest.h"
#include "base/list.h"
#include "base/token_bucket.h"
#include "config/config.h"
#include "observe/audit.h"
#include "peer/peer.h"

enum charge {
    CHARGE_REQUEST,
    CHARGE_SIGNATURE_CHECK, /* and reading the token before */
    CHARGES,
};

struct quota {
    struct digest_node node;
    struct list idle; /* linked while it has no connection */
    struct quotas *quotas;
    uint64_t left_usec; /* when the last connection ended */
    unsigned n_connections;
    unsigned n_misses;
    struct token_bucket rates[CHARGES];
    struct token_bucket connects;
    struct audit_trail trail;
    uint64_t unknown_kid_usec; /* when a token of its made an issuer's keys be fetched; 0: never */
};

struct quotas {
    struct digest_map map;
    struct list idle; /* the longest first */
    size_t n_idle;

    /* Processes that connect too often, for a moment: to be turned away before they are looked at.
     */
    struct {
        pid_t pid;
        uint64_t until_usec;
    } barred[256];
};

/*
 * Whom @peer is counted with: its pod's uid, 32 digits without its dashes; or, where no pod is
 * known, a number that no digit is in, spread since the map takes the first word for a hash. Nobody
 * chooses either.
 */
struct digest quota_key(const struct peer *peer);

void quotas_init(struct quotas *quotas);
void quotas_done(struct quotas *quotas);

/* The account of @peer, with one connection more. NULL: out of memory. */
struct quota *quota_join(struct quotas *quotas, const struct peer *peer);

/*
 * Whether there may be that one, among all at once and in this time; else its process is barred for
 * a while.
 */
bool quota_may_connect(struct quota *quota, const struct peer *peer, const struct limits *limits);
bool quota_is_barred(const struct quotas *quotas, pid_t pid);

/* One connection less. */
void quota_leave(struct quota *quota);

/* Books a turn: how many microseconds it is to be waited for; 0: it is now. */
uint64_t quota_reserve(struct quota *quota, const struct limits *limits, enum charge charge);

/* A booked turn that nobody waits for any more. */
void quota_refund(struct quota *quota, const struct limits *limits, enum charge charge);

#endif
