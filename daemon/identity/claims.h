/* The claims that Kubernetes writes into a service-account token, checked for type and length. */
#ifndef IDENTITY_CLAIMS_H
#define IDENTITY_CLAIMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json_value.h"
#include "message/refusal.h"

#define AUDIENCES_MAX      16
#define CLOCK_SKEW_S       30               /* tolerated for "nbf" and "iat", not for "exp" */
#define JWT_LIFETIME_MAX_S (24 * 3600 + 60) /* rules out the year of "warnafter" tokens */

/* The strings point into the payload, which owns them. */
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
    const char *node_uid;   /* NULL: the token names no node */
};

/*
 * Reads the claims of @payload. Does not check the times.
 *
 * Returns PODLOGIN_OK; or PODLOGIN_TOKEN_MALFORMED, with the reason in @ret_refusal.
 */
enum podlogin_status claims_read(const struct json_value *payload, struct claims *ret_claims,
                                 struct refusal *ret_refusal);

/* Returns whether @audience is one of the token's audiences. */
bool claims_have_audience(const struct claims *claims, const char *audience);

/*
 * Checks the times of a token: "exp" against @now_s; "iat" and "nbf" against @latest_s, which is at
 * least as late.
 *
 * Returns PODLOGIN_OK; or, with the reason in @ret_refusal, PODLOGIN_TOKEN_EXPIRED,
 * PODLOGIN_TOKEN_NOT_YET_VALID or PODLOGIN_TOKEN_MALFORMED (the lifetime is longer than
 * JWT_LIFETIME_MAX_S).
 */
enum podlogin_status claims_judge_time(const struct claims *claims, int64_t now_s, int64_t latest_s,
                                       struct refusal *ret_refusal);

#endif
