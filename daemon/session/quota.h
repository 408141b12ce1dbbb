/*
 * What one pod uses of the daemon, or one uid where no pod is known, so that nobody takes the
 * daemon away from the others: connections, requests, signature checks, exchanges.
 *
 * An account outlives its last connection for a while, or whoever is over a limit would only have
 * to connect anew.
 */
#ifndef ACCOUNT_H
#define ACCOUNT_H

#include "base/digest.h"
#include "base/list.h"
#include "base/rate.h"
#include "config/config.h"
#include "observe/audit.h"
#include "peer/peer.h"

enum charge {
    CHARGE_REQUEST,
    CHARGE_SIGNATURE_CHECK, /* and reading the token before */
    CHARGES,
};

struct account {
    struct digest_node node;
    struct list idle; /* linked while it has no connection */
    struct accounts *accounts;
    uint64_t left_usec; /* when the last connection ended */
    unsigned n_connections;
    unsigned n_misses;
    struct rate rates[CHARGES];
    struct rate connects;
    struct audit_trail trail;
    uint64_t unknown_kid_usec; /* when a token of its made an issuer's keys be fetched; 0: never */
};

struct accounts {
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

void accounts_init(struct accounts *accounts);
void accounts_done(struct accounts *accounts);

/* The account of @peer, with one connection more. NULL: out of memory. */
struct account *account_join(struct accounts *accounts, const struct peer *peer);

/*
 * Whether there may be that one, among all at once and in this time; else its process is barred for
 * a while.
 */
bool account_may_connect(struct account *account, const struct peer *peer,
                         const struct limits *limits);
bool account_is_barred(const struct accounts *accounts, pid_t pid);

/* One connection less. */
void account_leave(struct account *account);

/* Books a turn: how many microseconds it is to be waited for; 0: it is now. */
uint64_t account_charge(struct account *account, const struct limits *limits, enum charge charge);

/* A booked turn that nobody waits for any more. */
void account_return(struct account *account, const struct limits *limits, enum charge charge);

#endif
