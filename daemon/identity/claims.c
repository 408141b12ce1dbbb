#include "identity/claims.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "protocol/messages.h"

/*
 * Whether the string may be used in answers, logs and keys: it is not empty, not too long, and has
 * no control characters.
 */
static bool is_text(const char *text)
{
    size_t len = text ? strlen(text) : 0;

    if (len == 0 || len > PODLOGIN_NAME_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return false;
    return true;
}

static bool text_read(const json_t *json, const char *name, const char **ret_text)
{
    *ret_text = json_member_string(json, name);
    return is_text(*ret_text);
}

/* RFC 7519, section 2, NumericDate. It allows fractions, but Kubernetes writes none. */
static bool time_read(const json_t *payload, const char *name, bool is_required, int64_t *ret_time)
{
    const json_t *json = json_object_get(payload, name);

    if (!json)
        return !is_required;
    *ret_time = json_integer_value(json);
    return json_is_integer(json) && *ret_time > 0 && *ret_time < INT64_MAX / 2;
}

static bool audiences_read(const json_t *payload, struct claims *claims)
{
    json_t *aud = json_object_get(payload, "aud"), *element;
    size_t i;

    if (json_is_string(aud)) {
        claims->n_audiences = 1;
        return text_read(payload, "aud", &claims->audiences[0]);
    }
    if (!json_is_array(aud) || json_array_size(aud) == 0 || json_array_size(aud) > AUDIENCES_MAX)
        return false;
    json_array_foreach(aud, i, element)
    {
        if (!is_text(json_string_value(element)))
            return false;
        claims->audiences[claims->n_audiences++] = json_string_value(element);
    }
    return true;
}

static bool bound_object_read(const json_t *kubernetes, struct claims *claims)
{
    const json_t *pod = json_object_get(kubernetes, "pod");
    const json_t *secret = json_object_get(kubernetes, "secret");
    const json_t *node = json_object_get(kubernetes, "node");

    if (pod && (!text_read(pod, "name", &claims->pod) || !text_read(pod, "uid", &claims->pod_uid)))
        return false;
    /* if the API server does not find the node, the claim has its name only */
    if (json_object_get(node, "uid") && !text_read(node, "uid", &claims->node_uid))
        return false;
    return !secret || text_read(secret, "uid", &claims->secret_uid);
}

/* "sub" must agree with the private claims, because rules may look at either. */
static bool subject_agrees(const struct claims *claims)
{
    char expected[2 * PODLOGIN_NAME_MAX + 32];

    snprintf(expected, sizeof(expected), "system:serviceaccount:%s:%s", claims->namespace,
             claims->serviceaccount);
    return strcmp(expected, claims->subject) == 0;
}

static enum podlogin_status malformed(struct refusal *ret_refusal, const char *detail)
{
    return refusal_set(ret_refusal, PODLOGIN_TOKEN_MALFORMED, "%s", detail);
}

enum podlogin_status claims_read(const json_t *payload, struct claims *ret_claims,
                                 struct refusal *ret_refusal)
{
    const json_t *kubernetes = json_object_get(payload, "kubernetes.io");
    const json_t *account = json_object_get(kubernetes, "serviceaccount");
    struct claims *claims = ret_claims;

    *claims = (struct claims){0};
    if (!text_read(payload, "iss", &claims->issuer))
        return malformed(ret_refusal, "\"iss\" is missing or not valid");
    if (!audiences_read(payload, claims))
        return malformed(ret_refusal,
                         "\"aud\" is neither a string nor an array of at most 16 strings");
    if (!time_read(payload, "exp", true, &claims->expires_at_s) ||
        !time_read(payload, "iat", true, &claims->issued_at_s) ||
        !time_read(payload, "nbf", false, &claims->not_before_s))
        return malformed(ret_refusal,
                         "\"exp\", \"iat\" or \"nbf\" is missing or not a positive whole number");
    if (!text_read(payload, "sub", &claims->subject) ||
        !text_read(kubernetes, "namespace", &claims->namespace) ||
        !text_read(account, "name", &claims->serviceaccount) ||
        !text_read(account, "uid", &claims->serviceaccount_uid) ||
        !bound_object_read(kubernetes, claims))
        return malformed(ret_refusal, "the claims of Kubernetes are missing or incomplete: "
                                      "\"kubernetes.io\" with namespace and serviceaccount, and "
                                      "\"sub\"");
    if (!subject_agrees(claims))
        return malformed(ret_refusal,
                         "\"sub\" does not name the service account of \"kubernetes.io\"");
    return PODLOGIN_OK;
}

bool claims_have_audience(const struct claims *claims, const char *audience)
{
    for (size_t i = 0; i < claims->n_audiences; i++)
        if (strcmp(claims->audiences[i], audience) == 0)
            return true;
    return false;
}

enum podlogin_status claims_judge_time(const struct claims *claims, int64_t now_s, int64_t latest_s,
                                       struct refusal *ret_refusal)
{
    if (now_s >= claims->expires_at_s)
        return refusal_set_status(ret_refusal, PODLOGIN_TOKEN_EXPIRED);
    if (claims->issued_at_s > latest_s + CLOCK_SKEW_S ||
        claims->not_before_s > latest_s + CLOCK_SKEW_S)
        return refusal_set_status(ret_refusal, PODLOGIN_TOKEN_NOT_YET_VALID);
    if (claims->expires_at_s - claims->issued_at_s > JWT_LIFETIME_MAX_S)
        return malformed(ret_refusal,
                         "the token is valid for longer than a day; use a projected token");
    return PODLOGIN_OK;
}
