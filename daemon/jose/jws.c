#include "jose/jws.h"

#include <errno.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <string.h>

#include "base/base64url.h"
#include "base/secret.h"
#include "protocol/messages.h"

static const struct scheme {
    const char *hash;
    int padding;           /* RSA only */
    size_t coordinate_len; /* ECDSA only: the signature is two of them */
} schemes[ALGORITHMS] = {
    [ALGORITHM_RS256] = {"SHA256", RSA_PKCS1_PADDING, 0},
    [ALGORITHM_RS384] = {"SHA384", RSA_PKCS1_PADDING, 0},
    [ALGORITHM_RS512] = {"SHA512", RSA_PKCS1_PADDING, 0},
    [ALGORITHM_PS256] = {"SHA256", RSA_PKCS1_PSS_PADDING, 0},
    [ALGORITHM_PS384] = {"SHA384", RSA_PKCS1_PSS_PADDING, 0},
    [ALGORITHM_PS512] = {"SHA512", RSA_PKCS1_PSS_PADDING, 0},
    [ALGORITHM_ES256] = {"SHA256", 0, 32},
    [ALGORITHM_ES384] = {"SHA384", 0, 48},
    [ALGORITHM_ES512] = {"SHA512", 0, 66},
};

static inline void pkey_ctx_freep(EVP_PKEY_CTX **ctx)
{
    EVP_PKEY_CTX_free(*ctx);
}

static inline void ecdsa_sig_freep(ECDSA_SIG **signature)
{
    ECDSA_SIG_free(*signature);
}

/* Returns NULL with errno: ENOMEM, or EINVAL if the text is not valid. */
static struct json_value *object_decode(const char *text, size_t len)
{
    CLEANUP(secret_freep)
    struct secret *bytes = secret_alloc(BASE64URL_DECODED_MAX(len));
    size_t n;

    errno = bytes ? EINVAL : ENOMEM;
    if (!bytes || base64url_decode(text, len, bytes->bytes, &n) < 0)
        return NULL;
    return json_value_read(bytes->bytes, n);
}

/* Members that name, carry or fetch a key, or that change how the payload must be read. */
static bool has_forbidden_member(const struct json_value *header)
{
    static const char *const names[] = {"crit", "b64", "jwk", "jku", "zip", "enc"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (json_value_member(header, names[i]))
            return true;
    JSON_VALUE_FOREACH(member, header)
    {
        if (strncmp(json_value_name(member), "x5", 2) == 0)
            return true;
    }
    return false;
}

static enum podlogin_status malformed(struct refusal *ret_refusal, const char *detail)
{
    return refusal_set(ret_refusal, PODLOGIN_TOKEN_MALFORMED, "%s", detail);
}

/* After object_decode(): a token that could not be read for want of memory is not malformed. */
static enum podlogin_status undecoded(struct refusal *ret_refusal, const char *detail)
{
    return errno == ENOMEM ? refusal_set_status(ret_refusal, PODLOGIN_INTERNAL)
                           : malformed(ret_refusal, detail);
}

static enum podlogin_status header_read(const char *text, size_t len, struct jws *jws,
                                        struct refusal *ret_refusal)
{
    CLEANUP(freep)
    struct json_value *header = object_decode(text, len);
    const char *alg = json_value_string(json_value_member(header, "alg"));
    const char *kid = json_value_string(json_value_member(header, "kid"));
    const struct json_value *typ = json_value_member(header, "typ");

    if (!header)
        return undecoded(ret_refusal, "the header is not a JSON object in base64url");
    if (has_forbidden_member(header))
        return malformed(ret_refusal, "the header has a member that is not allowed (crit, b64, "
                                      "jwk, jku, x5*, zip, enc)");
    if (typ && (typ->kind != JSON_KIND_STRING || strcasecmp(json_value_string(typ), "JWT") != 0))
        return malformed(ret_refusal, "\"typ\" is not JWT");
    if (!alg)
        return malformed(ret_refusal, "the header has no \"alg\"");
    if (algorithm_find(alg, &jws->algorithm) < 0)
        return refusal_set(ret_refusal, PODLOGIN_TOKEN_BAD_ALGORITHM,
                           "\"alg\" is not an asymmetric signature algorithm");
    if (!kid || !*kid)
        return malformed(ret_refusal, "the header has no \"kid\"");
    if (strlen(kid) > KID_MAX)
        return malformed(ret_refusal, "\"kid\" is longer than 1024 bytes");
    strcpy(jws->kid, kid);
    return PODLOGIN_OK;
}

/* All but the payload, which is between *ret_payload and the second dot. */
static enum podlogin_status parse_around(const char *text, size_t len, struct jws *ret_jws,
                                         const char **ret_payload, struct refusal *ret_refusal)
{
    const char *end = text + len, *first, *second;
    enum podlogin_status status;
    size_t signature_len;

    *ret_jws = (struct jws){0};
    first = len <= PODLOGIN_JWT_MAX ? memchr(text, '.', len) : NULL;
    second = first ? memchr(first + 1, '.', (size_t)(end - first - 1)) : NULL;
    if (!second || memchr(second + 1, '.', (size_t)(end - second - 1)))
        return malformed(ret_refusal, "the token does not have three parts separated by dots");
    status = header_read(text, (size_t)(first - text), ret_jws, ret_refusal);
    if (status != PODLOGIN_OK)
        return status;
    signature_len = (size_t)(end - second - 1);
    if (BASE64URL_DECODED_MAX(signature_len) > sizeof(ret_jws->signature) ||
        base64url_decode(second + 1, signature_len, ret_jws->signature, &ret_jws->signature_len) <
            0)
        return malformed(ret_refusal, "the signature is not base64url, or is too long");
    ret_jws->signed_len = (size_t)(second - text);
    *ret_payload = first + 1;
    return PODLOGIN_OK;
}

enum podlogin_status jws_parse(const char *text, size_t len, struct jws *ret_jws,
                               struct refusal *ret_refusal)
{
    const char *payload = text;
    enum podlogin_status status = parse_around(text, len, ret_jws, &payload, ret_refusal);

    if (status != PODLOGIN_OK)
        return status;
    ret_jws->payload = object_decode(payload, (size_t)(text + ret_jws->signed_len - payload));
    return ret_jws->payload
               ? PODLOGIN_OK
               : undecoded(ret_refusal, "the payload is not a JSON object in base64url");
}

enum podlogin_status jws_parse_opaque(const char *text, size_t len, struct jws *ret_jws,
                                      struct refusal *ret_refusal)
{
    const char *payload = text;

    return parse_around(text, len, ret_jws, &payload, ret_refusal);
}

/* JWS concatenates r and s in fixed width (RFC 7518, section 3.4); OpenSSL expects DER. */
static int ecdsa_to_der(const uint8_t *signature, size_t coordinate_len, uint8_t *ret_der,
                        size_t *ret_len)
{
    CLEANUP(ecdsa_sig_freep)
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature, (int)coordinate_len, NULL);
    BIGNUM *s = BN_bin2bn(signature + coordinate_len, (int)coordinate_len, NULL);
    int len;

    if (!pair || !r || !s || ECDSA_SIG_set0(pair, r, s) != 1) {
        BN_free(r);
        BN_free(s);
        return -ENOMEM;
    }
    len = i2d_ECDSA_SIG(pair, &ret_der);
    if (len <= 0)
        return -ENOMEM;
    *ret_len = (size_t)len;
    return 0;
}

/*
 * Returns whether OpenSSL failed for another reason than the signature. Clears its errors. It does
 * not always tell that memory ran out; malloc() does.
 */
static bool has_failed(void)
{
    unsigned long error;
    bool has = errno == ENOMEM;

    while ((error = ERR_get_error())) {
        int reason = ERR_GET_REASON(error);

        has = has || reason == ERR_R_MALLOC_FAILURE || reason == ERR_R_FETCH_FAILED ||
              reason == ERR_R_INTERNAL_ERROR || reason == ERR_R_UNSUPPORTED;
    }
    return has;
}

/* Returns the hash of an algorithm, or NULL. Fetched once: the search by name is expensive. */
static const EVP_MD *hash_of(enum algorithm algorithm)
{
    static EVP_MD *hashes[ALGORITHMS];

    if (!hashes[algorithm])
        hashes[algorithm] = EVP_MD_fetch(NULL, schemes[algorithm].hash, NULL);
    return hashes[algorithm];
}

/* Returns a new context that verifies signatures of @algorithm, or NULL. */
static EVP_PKEY_CTX *context_new(enum algorithm algorithm, EVP_PKEY *pkey)
{
    const struct scheme *scheme = &schemes[algorithm];
    const EVP_MD *hash = hash_of(algorithm);
    CLEANUP(pkey_ctx_freep)
    EVP_PKEY_CTX *ctx = hash ? EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL) : NULL;

    if (!ctx || EVP_PKEY_verify_init(ctx) != 1)
        return NULL;
    if (scheme->padding && EVP_PKEY_CTX_set_rsa_padding(ctx, scheme->padding) != 1)
        return NULL;
    if (EVP_PKEY_CTX_set_signature_md(ctx, hash) != 1)
        return NULL;
    /* the salt is as long as the hash (RFC 7518, section 3.5) */
    if (scheme->padding == RSA_PKCS1_PSS_PADDING &&
        EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) != 1)
        return NULL;
    return TAKE_PTR(ctx);
}

/* Returns 1 if the signature is sound, 0 if it is not, -1 if it could not be checked. */
static int signature_check(enum algorithm algorithm, const uint8_t *signature, size_t len,
                           const char *text, size_t signed_len, struct jwk *key)
{
    EVP_PKEY_CTX **ctx = &key->verifying[algorithm];
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned digest_len;

    if (!*ctx)
        *ctx = context_new(algorithm, key->pkey);
    if (!*ctx || EVP_Digest(text, signed_len, digest, &digest_len, hash_of(algorithm), NULL) != 1)
        return -1;
    errno = 0;
    if (EVP_PKEY_verify(*ctx, signature, len, digest, digest_len) == 1)
        return 1;
    return has_failed() ? -1 : 0;
}

enum podlogin_status jws_verify(const struct jws *jws, const char *text, struct jwk *key)
{
    const struct scheme *scheme = &schemes[jws->algorithm];
    uint8_t der[2 * 66 + 16];
    const uint8_t *signature = jws->signature;
    size_t len = jws->signature_len;
    size_t expected_len;
    int check;

    if (!(key->algorithms & 1u << jws->algorithm))
        return PODLOGIN_TOKEN_BAD_ALGORITHM;
    expected_len =
        scheme->coordinate_len ? 2 * scheme->coordinate_len : (size_t)EVP_PKEY_get_size(key->pkey);
    if (len != expected_len)
        return PODLOGIN_TOKEN_BAD_SIGNATURE;
    if (scheme->coordinate_len) {
        if (ecdsa_to_der(signature, scheme->coordinate_len, der, &len) < 0)
            return PODLOGIN_INTERNAL;
        signature = der;
    }
    ERR_clear_error();
    check = signature_check(jws->algorithm, signature, len, text, jws->signed_len, key);
    ERR_clear_error();
    if (check < 0)
        return PODLOGIN_INTERNAL;
    return check ? PODLOGIN_OK : PODLOGIN_TOKEN_BAD_SIGNATURE;
}

void jws_done(struct jws *jws)
{
    free(jws->payload);
    explicit_bzero(jws, sizeof(*jws)); /* the signature makes a token usable */
}
