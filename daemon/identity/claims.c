#include "identity/claims.h"

#include <stdio.h>
#include <string.h>

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

static bool text_read(const struct json_value *object, const char *name, const char **ret_text)
{
    *ret_text = json_value_string(json_value_member(object, name));
    return is_text(*ret_text);
}

/* RFC 7519, section 2, NumericDate. It allows fractions, but Kubernetes writes none. */
static bool time_read(const struct json_value *payload, const char *name, bool is_required,
                      int64_t *ret_time)
{
    const struct json_value *value = json_value_member(payload, name);

    if (!value)
        return !is_required;
    if (value->kind != JSON_KIND_INTEGER)
        return false;
    *ret_time = value->integer;
    return *ret_time > 0 && *ret_time < INT64_MAX / 2;
}

static bool audiences_read(const struct json_value *payload, struct claims *claims)
{
    const struct json_value *aud = json_value_member(payload, "aud");

    if (aud && aud->kind == JSON_KIND_STRING) {
        claims->n_audiences = 1;
        return text_read(payload, "aud", &claims->audiences[0]);
    }
    if (!aud || aud->kind != JSON_KIND_ARRAY || aud->n == 0 || aud->n > AUDIENCES_MAX)
        return false;
    JSON_VALUE_FOREACH(element, aud)
    {
        if (!is_text(json_value_string(element)))
            return false;
        claims->audiences[claims->n_audiences++] = json_value_string(element);
    }
    return true;
}

static bool bound_object_read(const struct json_value *kubernetes, struct claims *claims)
{
    const struct json_value *pod = json_value_member(kubernetes, "pod");
    const struct json_value *secret = json_value_member(kubernetes, "secret");
    const struct json_value *node = json_value_member(kubernetes, "node");

    if (pod && (!text_read(pod, "name", &claims->pod) || !text_read(pod, "uid", &claims->pod_uid)))
        return false;
    /* if the API server does not find the node, the claim has its name only */
    if (json_value_member(node, "uid") && !text_read(node, "uid", &claims->node_uid))
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

enum podlogin_status claims_read(const struct json_value *payload, struct claims *ret_claims,
                                 struct refusal *ret_refusal)
{
    const struct json_value *kubernetes = json_value_member(payload, "kubernetes.io");
    const struct json_value *account = json_value_member(kubernetes, "serviceaccount");
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
