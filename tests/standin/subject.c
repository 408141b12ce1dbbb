#include "standin/subject.h"

#include <string.h>
#include <time.h>

#include "standin/encoding.h"
#include "standin/memory.h"
#include "standin/standin.h"

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
static const char *subject_key_find(struct standin *standin, const char *issuer,
                                    const json_t *header, struct key **ret_key)
{
    const char *kid = json_string_value(json_object_get(header, "kid"));
    const char *algorithm = json_string_value(json_object_get(header, "alg"));
    CLEANUP(key_unrefp) struct key *key = NULL;

    if (json_object_get(header, "crit")) /* RFC 7515, section 4.1.11 */
        return "the subject token has critical headers that are not understood";
    if (!kid || !algorithm)
        return "the subject token names no key or no algorithm";
    key = issuer ? trust_find(&standin->trust, issuer, kid) : keyring_find(&standin->keyring, kid);
    if (!key)
        return "the subject token is signed by an unknown key";
    if (strcmp(key->algorithm->name, algorithm) != 0)
        return "the subject token's algorithm is not its key's";
    *ret_key = TAKE_PTR(key);
    return NULL;
}

static const char *signature_check(struct standin *standin, const char *issuer,
                                   const struct parts *parts)
{
    CLEANUP(json_decrefp) json_t *header = part_decode(parts->header, parts->header_len);
    CLEANUP(key_unrefp) struct key *key = NULL;
    CLEANUP(freep) uint8_t *signature = NULL;
    size_t signature_len;
    const char *error;

    if (!header)
        return "the subject token's header is malformed";
    error = subject_key_find(standin, issuer, header, &key);
    if (error)
        return error;
    if (base64url_decode(parts->signature, parts->signature_len, &signature, &signature_len) < 0)
        return "the subject token's signature is malformed";
    if (jws_verify(key->algorithm, key->pair, parts->header,
                   parts->header_len + 1 + parts->payload_len, signature, signature_len) < 0)
        return "the subject token's signature is not valid";
    return NULL;
}

static const char *claims_check(const json_t *claims, const char *expected)
{
    const char *issuer = json_string_value(json_object_get(claims, "iss"));
    const json_t *expires_at = json_object_get(claims, "exp");
    const json_t *not_before = json_object_get(claims, "nbf");
    double now = (double)time(NULL);

    if (!issuer || strcmp(issuer, expected) != 0)
        return "the subject token is of an unknown issuer";
    if (!json_is_string(json_object_get(claims, "sub")))
        return "the subject token has no subject";
    if (!json_is_number(expires_at) || json_number_value(expires_at) <= now)
        return "the subject token has expired";
    if (not_before && (!json_is_number(not_before) || json_number_value(not_before) > now))
        return "the subject token is not valid yet";
    return NULL;
}

/* @trust: issuers that are accepted beside the stand-in's own, or NULL. */
static const char *verify(struct standin *standin, struct trust *trust, const char *token,
                          json_t **ret_claims)
{
    CLEANUP(json_decrefp) json_t *claims = NULL;
    const char *error, *issuer;
    struct parts parts;

    if (!parts_split(token, &parts))
        return "the subject token is not a signed JWT";
    claims = part_decode(parts.payload, parts.payload_len); /* nothing in it counts yet */
    issuer = json_string_value(json_object_get(claims, "iss"));
    if (!trust || !issuer || !trust_has(trust, issuer))
        issuer = NULL;
    error = signature_check(standin, issuer, &parts);
    if (error)
        return error;
    if (!claims)
        return "the subject token's claims are malformed";
    error = claims_check(claims, issuer ? issuer : issuer_url(standin));
    if (error)
        return error;
    *ret_claims = TAKE_PTR(claims);
    return NULL;
}

const char *subject_verify(struct standin *standin, const char *token, json_t **ret_claims)
{
    return verify(standin, &standin->trust, token, ret_claims);
}

const char *subject_verify_own(struct standin *standin, const char *token, json_t **ret_claims)
{
    return verify(standin, NULL, token, ret_claims);
}

char *subject_peek(const char *token)
{
    CLEANUP(json_decrefp) json_t *claims = NULL;
    const char *subject;
    struct parts parts;

    if (!token || !parts_split(token, &parts))
        return NULL;
    claims = part_decode(parts.payload, parts.payload_len);
    subject = json_string_value(json_object_get(claims, "sub"));
    return subject ? must_copy(subject) : NULL;
}
