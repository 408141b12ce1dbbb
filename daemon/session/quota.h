/*
 * What one pod uses of the daemon: connections, requests, signature checks, exchanges. Quotas keep
 * one pod from taking the daemon away from the others.
 *
 * A quota outlives its last connection for a while; otherwise a pod could reset it by connecting
 * again.
 */
#ifndef SESSION_QUOTA_H
#define SESSION_QUOTA_H

#include "base/digest.h"
#include "base/list.h"
#include "base/token_bucket.h"
#include "config/config.h"
#include "observe/audit.h"
#include "peer/peer.h"

enum charge {
    CHARGE_REQUEST,
    CHARGE_SIGNATURE_CHECK, /* including parsing the token */
    CHARGES,
};

struct quota {
    struct digest_node node;
    struct list idle; /* linked while there are no connections */
    struct quotas *quotas;
    uint64_t left_usec; /* when the last connection was closed */
    unsigned n_connections;
    unsigned n_misses; /* exchanges that its requests lead */
    struct token_bucket rates[CHARGES];
    struct token_bucket connects;
    struct audit_trail trail;
    uint64_t unknown_kid_usec; /* when a token of the pod last caused a fetch of keys; 0: never */
};

struct quotas {
    struct digest_map map;
    struct list idle; /* the one that is idle longest comes first */
    size_t n_idle;

    /*
     * Processes that connect too often, for a short time: they are turned away before they are
     * looked at. One slot per pid modulo the size; a newer entry replaces an older one.
     */
    struct {
        pid_t pid;
        uint64_t until_usec;
    } barred[256];
    uint64_t barred_until_usec; /* no entry is later */
};

/*
 * Returns the key of the quota that @peer belongs to: the 32 hexadecimal digits of its pod's uid;
 * or, where no pod is known, its state, padded with bytes that are no digits, so that all peers in
 * this state share one quota.
 *
 * @counts_users: peers outside of pods, and those that the daemon cannot see, have a quota for each
 *                Unix user instead. Their uids are part of the key, multiplied because the map uses
 *                the first word as the hash. Other peers may have chosen the uid themselves.
 */
struct digest quota_key(const struct peer *peer, bool counts_users);

void quotas_init(struct quotas *quotas);
void quotas_done(struct quotas *quotas);

/*
 * Returns the quota of @peer and counts one more connection; quota_leave() ends it. NULL: out of
 * memory. @counts_users: as for quota_key().
 */
struct quota *quota_join(struct quotas *quotas, const struct peer *peer, bool counts_users);

/*
 * Returns whether the pod may have the connection that quota_join() counted: by their number and by
 * the rate of connecting. If the rate is exceeded, the process is barred for a while.
 */
bool quota_may_connect(struct quota *quota, const struct peer *peer, const struct limits *limits);

/* Returns whether any process is barred, which saves asking for its pid. */
bool quotas_bar(const struct quotas *quotas);

/* Returns whether the process is barred. */
bool quota_is_barred(const struct quotas *quotas, pid_t pid);

/* Counts one connection less. */
void quota_leave(struct quota *quota);

/*
 * Reserves one request or signature check. Returns the delay in microseconds until it may be
 * served; 0: now.
 */
uint64_t quota_reserve(struct quota *quota, const struct limits *limits, enum charge charge);

/* Gives back a reservation that is no longer needed. */
void quota_refund(struct quota *quota, const struct limits *limits, enum charge charge);

#endif
