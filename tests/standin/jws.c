#include "standin/jws.h"

#include <errno.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <string.h>

#include "standin/memory.h"

DEFINE_CLEANUP(EVP_MD_CTX *, EVP_MD_CTX_free)
DEFINE_CLEANUP(ECDSA_SIG *, ECDSA_SIG_free)

const struct jws_algorithm jws_algorithms[JWS_ALGORITHMS] = {
    {"RS256", JWS_RSA_PKCS1, "SHA256", NULL, 0}, {"RS384", JWS_RSA_PKCS1, "SHA384", NULL, 0},
    {"RS512", JWS_RSA_PKCS1, "SHA512", NULL, 0}, {"PS256", JWS_RSA_PSS, "SHA256", NULL, 0},
    {"PS384", JWS_RSA_PSS, "SHA384", NULL, 0},   {"PS512", JWS_RSA_PSS, "SHA512", NULL, 0},
    {"ES256", JWS_ECDSA, "SHA256", "P-256", 32}, {"ES384", JWS_ECDSA, "SHA384", "P-384", 48},
    {"ES512", JWS_ECDSA, "SHA512", "P-521", 66},
};

const struct jws_algorithm *jws_algorithm_find(const char *name)
{
    for (size_t i = 0; i < JWS_ALGORITHMS; i++)
        if (strcmp(jws_algorithms[i].name, name) == 0)
            return &jws_algorithms[i];
    return NULL;
}

static int set_padding(const struct jws_algorithm *algorithm, EVP_PKEY_CTX *context)
{
    if (algorithm->family != JWS_RSA_PSS)
        return 0;
    /* RFC 7518, section 3.5: the salt is as long as the digest, and MGF1 uses the same digest. */
    if (EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) != 1 ||
        EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) != 1)
        return -EINVAL;
    return 0;
}

static int raw_of_der(const struct jws_algorithm *algorithm, const uint8_t *der, size_t der_len,
                      uint8_t **ret_raw, size_t *ret_len)
{
    CLEANUP(ECDSA_SIG_freep) ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)der_len);
    CLEANUP(freep) uint8_t *raw = must_alloc(algorithm->coordinate_bytes * 2);
    int width = (int)algorithm->coordinate_bytes;

    if (!pair || BN_bn2binpad(ECDSA_SIG_get0_r(pair), raw, width) != width ||
        BN_bn2binpad(ECDSA_SIG_get0_s(pair), raw + width, width) != width)
        return -EBADMSG;
    *ret_raw = TAKE_PTR(raw);
    *ret_len = algorithm->coordinate_bytes * 2;
    return 0;
}

static int der_of_raw(const struct jws_algorithm *algorithm, const uint8_t *raw, size_t raw_len,
                      uint8_t **ret_der, size_t *ret_len)
{
    CLEANUP(ECDSA_SIG_freep) ECDSA_SIG *pair = must(ECDSA_SIG_new());
    int width = (int)algorithm->coordinate_bytes;
    uint8_t *der = NULL;
    int der_len;

    if (raw_len != algorithm->coordinate_bytes * 2)
        return -EBADMSG;
    ECDSA_SIG_set0(pair, must(BN_bin2bn(raw, width, NULL)),
                   must(BN_bin2bn(raw + width, width, NULL)));
    der_len = i2d_ECDSA_SIG(pair, &der);
    if (der_len <= 0)
        return -EBADMSG;
    *ret_der = must_alloc((size_t)der_len);
    memcpy(*ret_der, der, (size_t)der_len);
    *ret_len = (size_t)der_len;
    OPENSSL_free(der);
    return 0;
}

int jws_sign(const struct jws_algorithm *algorithm, EVP_PKEY *key, const char *input,
             uint8_t **ret_signature, size_t *ret_len)
{
    CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *context = must(EVP_MD_CTX_new());
    CLEANUP(freep) uint8_t *signature = NULL;
    EVP_PKEY_CTX *key_context = NULL; /* belongs to context */
    size_t len = 0;

    if (EVP_DigestSignInit_ex(context, &key_context, algorithm->digest, NULL, NULL, key, NULL) != 1)
        return -EINVAL;
    if (set_padding(algorithm, key_context) < 0)
        return -EINVAL;
    if (EVP_DigestSign(context, NULL, &len, (const uint8_t *)input, strlen(input)) != 1)
        return -EINVAL;
    signature = must_alloc(len);
    if (EVP_DigestSign(context, signature, &len, (const uint8_t *)input, strlen(input)) != 1)
        return -EINVAL;
    if (algorithm->family == JWS_ECDSA)
        return raw_of_der(algorithm, signature, len, ret_signature, ret_len);
    *ret_signature = TAKE_PTR(signature);
    *ret_len = len;
    return 0;
}

int jws_verify(const struct jws_algorithm *algorithm, EVP_PKEY *key, const char *input,
               size_t input_len, const uint8_t *signature, size_t signature_len)
{
    CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *context = must(EVP_MD_CTX_new());
    CLEANUP(freep) uint8_t *der = NULL;
    EVP_PKEY_CTX *key_context = NULL; /* belongs to context */
    int valid;

    if (algorithm->family == JWS_ECDSA) {
        size_t der_len;

        if (der_of_raw(algorithm, signature, signature_len, &der, &der_len) < 0)
            return -EBADMSG;
        signature = der;
        signature_len = der_len;
    }
    if (EVP_DigestVerifyInit_ex(context, &key_context, algorithm->digest, NULL, NULL, key, NULL) !=
            1 ||
        set_padding(algorithm, key_context) < 0)
        return -EBADMSG;
    valid = EVP_DigestVerify(context, signature, signature_len, (const uint8_t *)input, input_len);
    ERR_clear_error();
    return valid == 1 ? 0 : -EBADMSG;
}
