/*
 * Any token: it is parsed or refused, its claims are read or refused, and its signature is never
 * valid. The input is a token, or the JSON of its header and of its payload, between which is a
 * NUL.
 */
#include "fuzz/fuzz.h"
#include "identity/claims.h"
#include "jose/jws.h"

#define NOW_S 1782050000

/* A real key, whose private half was not kept. */
static const char key_set[] =
    "{\"keys\":[{\"use\":\"sig\",\"kty\":\"EC\",\"kid\":\"k\",\"alg\":\"ES256\",\"crv\":\"P-256\","
    "\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","
    "\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"}]}";

static const struct jwks *keys(void)
{
    static struct jwks jwks;
    const char *error;

    if (jwks.n == 0)
        PROMISE(jwks_parse(key_set, sizeof(key_set) - 1, &jwks, &error) == 0);
    return &jwks;
}

static void check_claims(const struct jws *jws)
{
    struct refusal refusal;
    struct claims claims;

    if (claims_read(jws->payload, &claims, &refusal) != PODLOGIN_OK)
        return;
    PROMISE(claims.issuer && claims.subject && claims.namespace && claims.serviceaccount);
    PROMISE(claims.n_audiences > 0 && claims.expires_at_s > 0);
    for (size_t i = 0; i < claims.n_audiences; i++)
        PROMISE(claims_have_audience(&claims, claims.audiences[i]));
    if (claims_judge_time(&claims, NOW_S, NOW_S, &refusal) == PODLOGIN_OK)
        PROMISE(claims.expires_at_s > NOW_S && claims.issued_at_s < NOW_S + 3600 &&
                claims.not_before_s < NOW_S + 3600);
}

static void check_token(const char *token, size_t len)
{
    struct refusal refusal;
    struct jws jws;

    if (jws_parse(token, len, &jws, &refusal) == PODLOGIN_OK) {
        PROMISE(jws.kid[0] && jws.algorithm < ALGORITHMS && jws.payload && jws.signed_len < len);
        PROMISE(jws_verify(&jws, token, keys()->keys[0]) != PODLOGIN_OK);
        check_claims(&jws);
    }
    jws_done(&jws);
}

static size_t add_part(char *to, const uint8_t *bytes, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t n = 0;

    for (size_t i = 0; i < len; i += 3) {
        uint32_t three = 0;

        for (size_t at = i; at < i + 3; at++)
            three = three << 8 | (at < len ? bytes[at] : 0);
        for (size_t digit = 0; digit <= (len - i < 3 ? len - i : 3); digit++)
            to[n++] = digits[three >> (18 - 6 * digit) & 63];
    }
    to[n++] = '.';
    return n;
}

/* The signature has the length of one of ES256. */
static void check_parts(const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, '\0', size);
    size_t header_len = end ? (size_t)(end - data) : size;
    size_t payload_len = end ? size - header_len - 1 : 0;
    CLEANUP(freep)
    char *token = malloc(2 * size + 128);
    size_t len;

    PROMISE(token);
    len = add_part(token, data, header_len);
    len += add_part(token + len, end ? end + 1 : data, payload_len);
    memset(token + len, 'A', 86);
    check_token(token, len + 86);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && data[0] == '{')
        check_parts(data, size);
    else
        check_token((const char *)data, size);
    return 0;
}
