/* The claims that Kubernetes writes into a service-account token, typed and bounded. */
#ifndef CLAIMS_H
#define CLAIMS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "message/refusal.h"

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
 * Reads @payload without judging time. Returns PODLOGIN_OK, or PODLOGIN_TOKEN_MALFORMED, which
 * @ret_refusal explains.
 */
enum podlogin_status claims_read(const json_t *payload, struct claims *ret_claims,
                                 struct refusal *ret_refusal);

bool claims_have_audience(const struct claims *claims, const char *audience);

/*
 * Judges the times of a token: @now_s decides whether it has expired; @latest_s, at least as late,
 * whether it can have been issued.
 *
 * Returns PODLOGIN_OK, or PODLOGIN_TOKEN_EXPIRED, PODLOGIN_TOKEN_NOT_YET_VALID or
 * PODLOGIN_TOKEN_MALFORMED (a lifetime of more than a day), which @ret_refusal explains.
 */
enum podlogin_status claims_judge_time(const struct claims *claims, int64_t now_s, int64_t latest_s,
                                       struct refusal *ret_refusal);

#endif
