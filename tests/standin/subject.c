#include "standin/subject.h"

#include <string.h>
#include <time.h>

#include "standin/encoding.h"
#include "standin/memory.h"
#include "standin/standin.h"

const char *subject_error_text(enum subject_error error)
{
    static const char *const texts[SUBJECT_ERRORS] = {
        [SUBJECT_IS_VALID] = "the subject token is valid",
        [SUBJECT_NOT_A_JWT] = "the subject token is not a signed JWT",
        [SUBJECT_BAD_HEADER] = "the subject token's header is malformed",
        [SUBJECT_BAD_CLAIMS] = "the subject token's claims are malformed",
        [SUBJECT_UNKNOWN_ISSUER] = "the subject token is of an unknown issuer",
        [SUBJECT_CRITICAL_HEADER] =
            "the subject token has critical headers that are not understood",
        [SUBJECT_NAMES_NO_KEY] = "the subject token names no key or no algorithm",
        [SUBJECT_UNKNOWN_KEY] = "the subject token is signed by an unknown key",
        [SUBJECT_OTHER_ALGORITHM] = "the subject token's algorithm is not its key's",
        [SUBJECT_BAD_SIGNATURE] = "the subject token's signature is not valid",
        [SUBJECT_WITHOUT_SUBJECT] = "the subject token has no subject",
        [SUBJECT_EXPIRED] = "the subject token has expired",
        [SUBJECT_TOO_EARLY] = "the subject token is not valid yet",
    };

    return texts[error];
}

/* A compact JWS, still encoded (RFC 7515, section 7.1). */
struct parts {
    const char *header;
    const char *payload;
    const char *signature;
    size_t header_len;
    size_t payload_len;
    size_t signature_len;
};

static bool parts_split(const char *token, struct parts *ret_parts)
{
    const char *first = strchr(token, '.');
    const char *second = first ? strchr(first + 1, '.') : NULL;

    if (!second || strchr(second + 1, '.'))
        return false;
    *ret_parts = (struct parts){
        .header = token,
        .header_len = (size_t)(first - token),
        .payload = first + 1,
        .payload_len = (size_t)(second - first - 1),
        .signature = second + 1,
        .signature_len = strlen(second + 1),
    };
    return true;
}

static json_t *part_decode(const char *text, size_t len)
{
    CLEANUP(freep) uint8_t *bytes = NULL;
    json_t *object;
    size_t n_bytes;

    if (base64url_decode(text, len, &bytes, &n_bytes) < 0)
        return NULL;
    object = json_loadb((const char *)bytes, n_bytes, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(object)) {
        json_decref(object);
        return NULL;
    }
    return object;
}

/*
 * Finds the key by the header, among those of @issuer; NULL: the stand-in's own issuer. The key
 * determines the algorithm; the header must agree.
 */
static enum subject_error subject_key_find(struct standin *standin, const char *issuer,
                                           const json_t *header, struct key **ret_key)
{
    const char *kid = json_string_value(json_object_get(header, "kid"));
    const char *algorithm = json_string_value(json_object_get(header, "alg"));
    CLEANUP(key_unrefp) struct key *key = NULL;

    if (json_object_get(header, "crit")) /* RFC 7515, section 4.1.11 */
        return SUBJECT_CRITICAL_HEADER;
    if (!kid || !algorithm)
        return SUBJECT_NAMES_NO_KEY;
    key = issuer ? trust_find(&standin->trust, issuer, kid) : keyring_find(&standin->keyring, kid);
    if (!key)
        return SUBJECT_UNKNOWN_KEY;
    if (strcmp(key->algorithm->name, algorithm) != 0)
        return SUBJECT_OTHER_ALGORITHM;
    *ret_key = TAKE_PTR(key);
    return SUBJECT_IS_VALID;
}

static enum subject_error signature_check(struct standin *standin, const char *issuer,
                                          const struct parts *parts)
{
    CLEANUP(json_decrefp) json_t *header = part_decode(parts->header, parts->header_len);
    CLEANUP(key_unrefp) struct key *key = NULL;
    CLEANUP(freep) uint8_t *signature = NULL;
    size_t signature_len;
    enum subject_error error;

    if (!header)
        return SUBJECT_BAD_HEADER;
    error = subject_key_find(standin, issuer, header, &key);
    if (error)
        return error;
    if (base64url_decode(parts->signature, parts->signature_len, &signature, &signature_len) < 0 ||
        jws_verify(key->algorithm, key->pair, parts->header,
                   parts->header_len + 1 + parts->payload_len, signature, signature_len) < 0)
        return SUBJECT_BAD_SIGNATURE;
    return SUBJECT_IS_VALID;
}

static enum subject_error claims_check(const json_t *claims)
{
    const json_t *expires_at = json_object_get(claims, "exp");
    const json_t *not_before = json_object_get(claims, "nbf");
    double now = (double)time(NULL);

    if (!json_is_string(json_object_get(claims, "sub")))
        return SUBJECT_WITHOUT_SUBJECT;
    if (!json_is_number(expires_at) || json_number_value(expires_at) <= now)
        return SUBJECT_EXPIRED;
    if (not_before && (!json_is_number(not_before) || json_number_value(not_before) > now))
        return SUBJECT_TOO_EARLY;
    return SUBJECT_IS_VALID;
}

/* @trust: issuers that are accepted beside the stand-in's own, or NULL. */
static enum subject_error verify(struct standin *standin, struct trust *trust, const char *token,
                                 json_t **ret_claims)
{
    CLEANUP(json_decrefp) json_t *claims = NULL;
    enum subject_error error;
    const char *issuer;
    struct parts parts;

    if (!parts_split(token, &parts))
        return SUBJECT_NOT_A_JWT;
    claims = part_decode(parts.payload, parts.payload_len); /* only its issuer counts yet */
    if (!claims)
        return SUBJECT_BAD_CLAIMS;
    issuer = json_string_value(json_object_get(claims, "iss"));
    if (!issuer)
        return SUBJECT_UNKNOWN_ISSUER;
    if (strcmp(issuer, issuer_url(standin)) == 0)
        issuer = NULL;
    else if (!trust || !trust_has(trust, issuer))
        return SUBJECT_UNKNOWN_ISSUER;
    error = signature_check(standin, issuer, &parts);
    if (!error)
        error = claims_check(claims);
    if (!error)
        *ret_claims = TAKE_PTR(claims);
    return error;
}

enum subject_error subject_verify(struct standin *standin, const char *token, json_t **ret_claims)
{
    return verify(standin, &standin->trust, token, ret_claims);
}

enum subject_error subject_verify_own(struct standin *standin, const char *token,
                                      json_t **ret_claims)
{
    return verify(standin, NULL, token, ret_claims);
}

char *subject_peek(const char *token, const char *claim)
{
    CLEANUP(json_decrefp) json_t *claims = NULL;
    const char *value;
    struct parts parts;

    if (!token || !parts_split(token, &parts))
        return NULL;
    claims = part_decode(parts.payload, parts.payload_len);
    value = json_string_value(json_object_get(claims, claim));
    return value ? must_copy(value) : NULL;
}
