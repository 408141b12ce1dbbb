#include "jose/jwks.h"

#include <assert.h>
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <string.h>

#include "base/base64url.h"

#define RSA_BITS_MIN   2048
#define RSA_BITS_MAX   4096
#define RSA_E_MIN      65537
#define COORDINATE_MAX 66 /* bytes of P-521 */

#define RSA_ALGORITHMS                                                                             \
    (1u << ALGORITHM_RS256 | 1u << ALGORITHM_RS384 | 1u << ALGORITHM_RS512 |                       \
     1u << ALGORITHM_PS256 | 1u << ALGORITHM_PS384 | 1u << ALGORITHM_PS512)

/* Each ECDSA algorithm has one curve (RFC 7518, section 3.4). */
static const struct curve {
    const char *name;
    const char *group;
    size_t size;
    unsigned algorithms;
} curves[] = {
    {"P-256", "prime256v1", 32, 1u << ALGORITHM_ES256},
    {"P-384", "secp384r1", 48, 1u << ALGORITHM_ES384},
    {"P-521", "secp521r1", 66, 1u << ALGORITHM_ES512},
};

static inline void bn_freep(BIGNUM **bn)
{
    BN_free(*bn);
}

static inline void pkey_ctx_freep(EVP_PKEY_CTX **ctx)
{
    EVP_PKEY_CTX_free(*ctx);
}

static inline void param_bld_freep(OSSL_PARAM_BLD **bld)
{
    OSSL_PARAM_BLD_free(*bld);
}

static inline void params_freep(OSSL_PARAM **params)
{
    OSSL_PARAM_free(*params);
}

static void jwkp_unref(struct jwk **key)
{
    if (*key)
        jwk_unref(*key);
}

static int member_decode(const json_t *json, const char *name, uint8_t *ret_bytes, size_t max,
                         size_t *ret_len)
{
    const char *text = json_member_string(json, name);

    if (!text || BASE64URL_DECODED_MAX(strlen(text)) > max + 2)
        return -EBADMSG;
    return base64url_decode(text, strlen(text), ret_bytes, ret_len);
}

static EVP_PKEY *pkey_build(const char *type, OSSL_PARAM_BLD *bld)
{
    CLEANUP(params_freep)
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
    CLEANUP(pkey_ctx_freep)
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *pkey = NULL;

    if (!params || !ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
        return NULL;
    return pkey;
}

/* Reads an RSA public key (RFC 7518, section 6.3.1). */
static int rsa_read(const json_t *json, struct jwk *key)
{
    uint8_t n_bytes[RSA_BITS_MAX / 8 + 4], e_bytes[16];
    CLEANUP(bn_freep)
    BIGNUM *n = NULL;
    CLEANUP(bn_freep)
    BIGNUM *e = NULL;
    CLEANUP(param_bld_freep)
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    size_t n_len, e_len;

    if (member_decode(json, "n", n_bytes, RSA_BITS_MAX / 8, &n_len) < 0 ||
        member_decode(json, "e", e_bytes, 8, &e_len) < 0)
        return -EBADMSG;
    n = BN_bin2bn(n_bytes, (int)n_len, NULL);
    e = BN_bin2bn(e_bytes, (int)e_len, NULL);
    if (!bld || !n || !e)
        return -ENOMEM;
    if (BN_num_bits(n) < RSA_BITS_MIN || BN_num_bits(n) > RSA_BITS_MAX || !BN_is_odd(n) ||
        !BN_is_odd(e) || BN_num_bits(e) > 33 || BN_get_word(e) < RSA_E_MIN)
        return -EBADMSG;
    if (OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) != 1 ||
        OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e) != 1)
        return -ENOMEM;
    key->pkey = pkey_build("RSA", bld);
    key->algorithms = RSA_ALGORITHMS;
    return key->pkey ? 0 : -EBADMSG;
}

static const struct curve *curve_of(const json_t *json)
{
    const char *name = json_member_string(json, "crv");

    for (size_t i = 0; name && i < sizeof(curves) / sizeof(curves[0]); i++)
        if (strcmp(curves[i].name, name) == 0)
            return &curves[i];
    return NULL;
}

/*
 * Reads an EC public key (RFC 7518, section 6.2.1). A point that is not on the curve is refused: no
 * private key is at risk here, but such a key could accept invalid signatures.
 */
static int ec_read(const json_t *json, struct jwk *key)
{
    const struct curve *curve = curve_of(json);
    uint8_t point[1 + 2 * (COORDINATE_MAX + 4)] = {POINT_CONVERSION_UNCOMPRESSED};
    CLEANUP(param_bld_freep)
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    CLEANUP(pkey_ctx_freep)
    EVP_PKEY_CTX *ctx = NULL;
    size_t x_len, y_len;

    if (!bld)
        return -ENOMEM;
    if (!curve || member_decode(json, "x", point + 1, curve->size, &x_len) < 0 ||
        x_len != curve->size ||
        member_decode(json, "y", point + 1 + curve->size, curve->size, &y_len) < 0 ||
        y_len != curve->size)
        return -EBADMSG;
    if (OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, curve->group, 0) != 1 ||
        OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point,
                                         1 + 2 * curve->size) != 1)
        return -ENOMEM;
    key->pkey = pkey_build("EC", bld);
    ctx = key->pkey ? EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL) : NULL;
    if (!ctx || EVP_PKEY_public_check(ctx) != 1)
        return -EBADMSG;
    key->algorithms = curve->algorithms;
    return 0;
}

/*
 * A key with "alg" may be used with that algorithm only (RFC 7517, section 4.4). Returns 1; 0 if it
 * is for an algorithm that is not supported; or -EBADMSG if "alg" contradicts the type of the key.
 */
static int restrict_algorithm(const json_t *json, struct jwk *key)
{
    const char *name = json_member_string(json, "alg");
    enum algorithm algorithm;

    if (!json_object_get(json, "alg"))
        return 1;
    if (!name)
        return -EBADMSG;
    if (algorithm_find(name, &algorithm) < 0)
        return 0; /* for example an encryption algorithm */
    if (!(key->algorithms & 1u << algorithm))
        return -EBADMSG;
    key->algorithms = 1u << algorithm;
    return 1;
}

/* Returns whether the key may verify (RFC 7517, section 4.3). */
static bool has_operation(const json_t *json)
{
    const json_t *operations = json_object_get(json, "key_ops");
    json_t *operation;
    size_t i;

    if (!operations)
        return true;
    json_array_foreach(operations, i, operation)
    {
        const char *name = json_string_value(operation);

        if (name && strcmp(name, "verify") == 0)
            return true;
    }
    return false;
}

/* Returns 1 and a key; 0 if the key is to be ignored; -EBADMSG if it is malformed; or -ENOMEM. */
static int jwk_read(const json_t *json, struct jwk **ret_key)
{
    const char *kty = json_member_string(json, "kty"), *use = json_member_string(json, "use");
    const char *kid = json_member_string(json, "kid");
    CLEANUP(jwkp_unref)
    struct jwk *key = NULL;
    int r;

    if (!json_is_object(json) || !kty)
        return -EBADMSG;
    if (!kid || !*kid || strlen(kid) > KID_MAX ||
        (json_object_get(json, "use") && (!use || strcmp(use, "sig") != 0)) ||
        !has_operation(json) || (strcmp(kty, "RSA") != 0 && strcmp(kty, "EC") != 0))
        return 0;
    if (json_object_get(json, "d")) /* a published private key is compromised */
        return -EBADMSG;
    key = calloc(1, sizeof(*key));
    if (!key)
        return -ENOMEM;
    key->n_refs = 1;
    key->kid = strdup(kid);
    if (!key->kid)
        return -ENOMEM;
    if (strcmp(kty, "EC") == 0 && !curve_of(json))
        return 0; /* for example secp256k1 */
    r = strcmp(kty, "RSA") == 0 ? rsa_read(json, key) : ec_read(json, key);
    if (r == 0)
        r = restrict_algorithm(json, key);
    if (r <= 0)
        return r;
    *ret_key = TAKE_PTR(key);
    return 1;
}

static void skip(struct jwks *jwks, const char *reason)
{
    jwks->n_skipped++;
    if (!jwks->skip_reason)
        jwks->skip_reason = reason;
}

/* Takes ownership of @key. */
static void jwks_add(struct jwks *jwks, struct jwk *key)
{
    struct jwk *same = jwks_find(jwks, key->kid);

    if (!same && jwks->n < JWKS_KEYS_MAX) {
        jwks->keys[jwks->n++] = key;
        return;
    }
    if (!same)
        skip(jwks, "there are more than 64 keys");
    else if (EVP_PKEY_eq(same->pkey, key->pkey) == 1)
        same->algorithms |= key->algorithms;
    else /* which one signs is not known; the first is as good as any */
        skip(jwks, "another key has the same kid");
    jwk_unref(key);
}

static int jwks_read(const json_t *keys, struct jwks *jwks, const char **ret_error)
{
    json_t *json;
    size_t i;

    json_array_foreach(keys, i, json)
    {
        struct jwk *key;
        int r;

        errno = 0;
        r = jwk_read(json, &key);
        /* without memory, OpenSSL may fail with another error, or make a wrong key; malloc() tells
         */
        if (r > 0 && errno == ENOMEM)
            jwk_unref(key);
        if (r == -ENOMEM || errno == ENOMEM) {
            *ret_error = "out of memory";
            return -ENOMEM;
        }
        if (r < 0)
            skip(jwks, "it is malformed, private, or of an unsupported size");
        if (r > 0)
            jwks_add(jwks, key);
    }
    if (jwks->n == 0) {
        *ret_error = jwks->n_skipped ? "the key set has no usable key: they are malformed, "
                                       "private, or of an unsupported size"
                                     : "the key set has no usable key: none has a kid, and a "
                                       "supported type, use and algorithm";
        return -ENOKEY;
    }
    return 0;
}

/* Editors and shells of other systems begin a file with the invisible U+FEFF. */
static bool begins_with_mark(const void *text, size_t len)
{
    return (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) ||
           (len >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0));
}

int jwks_parse(const void *text, size_t len, struct jwks *ret_jwks, const char **ret_error)
{
    CLEANUP(json_decrefp)
    json_t *json = NULL;
    const json_t *keys;
    int r;

    *ret_jwks = (struct jwks){0};
    *ret_error = begins_with_mark(text, len)
                     ? "the key set begins with a byte order mark (BOM); it must be UTF-8 without "
                       "one"
                     : "the key set is not a JSON object with an array \"keys\"";
    if (len > JWKS_BYTES_MAX)
        return -EBADMSG;
    json = json_read_object(text, len);
    keys = json_object_get(json, "keys");
    if (!json_is_array(keys))
        return -EBADMSG;
    r = jwks_read(keys, ret_jwks, ret_error);
    if (r < 0)
        jwks_done(ret_jwks);
    return r;
}

void jwks_replace(struct jwks *old, struct jwks *fresh)
{
    for (size_t i = 0; i < old->n; i++)
        old->keys[i]->is_withdrawn = true;
    for (size_t i = 0; i < fresh->n; i++) {
        struct jwk *same = jwks_find(old, fresh->keys[i]->kid);

        if (!same || same->algorithms != fresh->keys[i]->algorithms ||
            EVP_PKEY_eq(same->pkey, fresh->keys[i]->pkey) != 1)
            continue;
        jwk_unref(fresh->keys[i]);
        fresh->keys[i] = jwk_ref(same);
        same->is_withdrawn = false;
    }
    jwks_done(old);
    *old = *fresh;
    *fresh = (struct jwks){0};
}

struct jwk *jwks_find(const struct jwks *jwks, const char *kid)
{
    for (size_t i = 0; i < jwks->n; i++)
        if (strcmp(jwks->keys[i]->kid, kid) == 0)
            return jwks->keys[i];
    return NULL;
}

void jwks_done(struct jwks *jwks)
{
    for (size_t i = 0; i < jwks->n; i++)
        jwk_unref(jwks->keys[i]);
    *jwks = (struct jwks){0};
}

struct jwk *jwk_ref(struct jwk *key)
{
    key->n_refs++;
    return key;
}

void jwk_unref(struct jwk *key)
{
    assert(key->n_refs > 0);
    if (--key->n_refs > 0)
        return;
    for (size_t i = 0; i < ALGORITHMS; i++)
        EVP_PKEY_CTX_free(key->verifying[i]);
    EVP_PKEY_free(key->pkey);
    free(key->kid);
    free(key);
}
