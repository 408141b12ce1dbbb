/* The claims that Kubernetes writes into a service-account token, typed and bounded. */
#ifndef CLAIMS_H
#define CLAIMS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/podlogin-status.h"

#define AUDIENCES_MAX      16
#define CLOCK_SKEW_S       30               /* on "nbf" and "iat"; none on "exp" */
#define JWT_LIFETIME_MAX_S (24 * 3600 + 60) /* the year of a "warnafter" token is refused */

/* Strings point into the payload, which owns them. */
struct claims {
    const char *issuer;
    const char *subject; /* system:serviceaccount:NAMESPACE:NAME */
    const char *audiences[AUDIENCES_MAX];
    size_t n_audiences;
    int64_t expires_at_s;
    int64_t not_before_s; /* 0: none */
    int64_t issued_at_s;
    const char *namespace;
    const char *serviceaccount;
    const char *serviceaccount_uid;
    const char *pod; /* NULL: not bound to a pod */
    const char *pod_uid;
    const char *secret_uid; /* NULL: not bound to a secret */
    const char *node_uid;   /* NULL: it names no node */
};

/*
 * Reads @payload without judging time. PODLOGIN_OK or PODLOGIN_TOKEN_MALFORMED with a constant
 * sentence in @ret_reason.
 */
enum podlogin_status claims_read(const json_t *payload, struct claims *ret_claims,
                                 const char **ret_reason);

bool claims_have_audience(const struct claims *claims, const char *audience);

/*
 * Whether the token is valid: PODLOGIN_OK, PODLOGIN_TOKEN_EXPIRED, PODLOGIN_TOKEN_NOT_YET_VALID, or
 * PODLOGIN_TOKEN_MALFORMED for a lifetime of more than a day. @now_s is when it expires by, and
 * @latest_s, at least as late, by when it must have been issued.
 */
enum podlogin_status claims_judge_time(const struct claims *claims, int64_t now_s,
                                       int64_t latest_s);

#endif
