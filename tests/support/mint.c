#include "support/mint.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>

#include "support/check.h"

/* Uses four primes where that is allowed, because they are found in a tenth of the time. */
EVP_PKEY *mint_rsa(unsigned bits)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY *pkey = NULL;

    assert_non_null(ctx);
    assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, (int)bits), 1);
    if (bits >= 4096)
        assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_primes(ctx, 4), 1);
    assert_int_equal(EVP_PKEY_generate(ctx, &pkey), 1);
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

EVP_PKEY *mint_ec(const char *curve)
{
    EVP_PKEY *pkey = EVP_EC_gen(curve);

    assert_non_null(pkey);
    return pkey;
}

char *mint_encode(const void *bytes, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const uint8_t *at = bytes;
    char *text = calloc(1, (len + 2) / 3 * 4 + 1), *to = text;

    assert_non_null(text);
    for (size_t bit = 0; bit < 8 * len; bit += 6) {
        unsigned pair = (unsigned)at[bit / 8] << 8 | (bit / 8 + 1 < len ? at[bit / 8 + 1] : 0u);

        *to++ = digits[pair >> (10 - bit % 8) & 63];
    }
    return text;
}

char *mint_modulus(unsigned bits)
{
    uint8_t bytes[2048];
    BIGNUM *n = BN_new();
    int len;

    assert_non_null(n);
    assert_int_equal(BN_rand(n, (int)bits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD), 1);
    assert_true((size_t)BN_num_bytes(n) <= sizeof(bytes));
    len = BN_bn2bin(n, bytes);
    BN_free(n);
    return mint_encode(bytes, (size_t)len);
}

static char *number_encode(EVP_PKEY *pkey, const char *name, size_t width)
{
    uint8_t bytes[512];
    BIGNUM *number = NULL;
    int len;

    assert_int_equal(EVP_PKEY_get_bn_param(pkey, name, &number), 1);
    if (width)
        len = BN_bn2binpad(number, bytes, (int)width);
    else
        len = BN_bn2bin(number, bytes);
    assert_true(len > 0);
    BN_free(number);
    return mint_encode(bytes, (size_t)len);
}

char *mint_jwk(EVP_PKEY *pkey, const char *kid)
{
    CLEANUP(freep)
    char *first = NULL;
    CLEANUP(freep)
    char *second = NULL;
    char *jwk = NULL;
    int bits = EVP_PKEY_get_bits(pkey);

    if (EVP_PKEY_is_a(pkey, "RSA")) {
        first = number_encode(pkey, OSSL_PKEY_PARAM_RSA_N, 0);
        second = number_encode(pkey, OSSL_PKEY_PARAM_RSA_E, 0);
        assert_true(asprintf(&jwk,
                             "{\"kty\":\"RSA\",\"use\":\"sig\",\"kid\":\"%s\",\"n\":\"%s\","
                             "\"e\":\"%s\"}",
                             kid, first, second) > 0);
        return jwk;
    }
    first = number_encode(pkey, OSSL_PKEY_PARAM_EC_PUB_X, ((size_t)bits + 7) / 8);
    second = number_encode(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, ((size_t)bits + 7) / 8);
    assert_true(asprintf(&jwk,
                         "{\"kty\":\"EC\",\"use\":\"sig\",\"kid\":\"%s\",\"crv\":\"P-%d\","
                         "\"x\":\"%s\",\"y\":\"%s\"}",
                         kid, bits, first, second) > 0);
    return jwk;
}

static const char *hash_of(const char *alg)
{
    return strstr(alg, "512") ? "SHA512" : strstr(alg, "384") ? "SHA384" : "SHA256";
}

static void sign(EVP_PKEY *pkey, const char *hash, int padding, int salt_len, const void *input,
                 size_t len, uint8_t *ret_signature, size_t *ret_len)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pkey_ctx;

    assert_non_null(ctx);
    assert_int_equal(EVP_DigestSignInit_ex(ctx, &pkey_ctx, hash, NULL, NULL, pkey, NULL), 1);
    if (padding)
        assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(pkey_ctx, padding), 1);
    if (padding == RSA_PKCS1_PSS_PADDING)
        assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(pkey_ctx, salt_len), 1);
    *ret_len = 512;
    assert_int_equal(EVP_DigestSign(ctx, ret_signature, ret_len, input, len), 1);
    EVP_MD_CTX_free(ctx);
}

static void der_to_pair(EVP_PKEY *pkey, uint8_t *signature, size_t *len)
{
    const unsigned char *der = signature;
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)*len);
    int width = (EVP_PKEY_get_bits(pkey) + 7) / 8;

    assert_non_null(pair);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(pair), signature, width), width);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(pair), signature + width, width), width);
    ECDSA_SIG_free(pair);
    *len = 2 * (size_t)width;
}

void mint_signature(EVP_PKEY *pkey, const char *alg, const void *input, size_t len,
                    uint8_t ret_signature[512], size_t *ret_len)
{
    int padding = alg[0] == 'R' ? RSA_PKCS1_PADDING : alg[0] == 'P' ? RSA_PKCS1_PSS_PADDING : 0;

    sign(pkey, hash_of(alg), padding, RSA_PSS_SALTLEN_DIGEST, input, len, ret_signature, ret_len);
    if (!padding)
        der_to_pair(pkey, ret_signature, ret_len);
}

void mint_signature_salted(EVP_PKEY *pkey, int salt_len, const void *input, size_t len,
                           uint8_t ret_signature[512], size_t *ret_len)
{
    sign(pkey, "SHA256", RSA_PKCS1_PSS_PADDING, salt_len, input, len, ret_signature, ret_len);
}

char *mint_input(const void *header, size_t header_len, const void *payload, size_t payload_len)
{
    CLEANUP(freep)
    char *first = mint_encode(header, header_len);
    CLEANUP(freep)
    char *second = mint_encode(payload, payload_len);
    char *input = NULL;

    assert_true(asprintf(&input, "%s.%s", first, second) > 0);
    return input;
}

char *mint_join(const char *input, const void *signature, size_t len)
{
    CLEANUP(freep)
    char *encoded = mint_encode(signature, len);
    char *token = NULL;

    assert_true(asprintf(&token, "%s.%s", input, encoded) > 0);
    return token;
}

char *mint_token(EVP_PKEY *pkey, const char *alg, const char *header, const char *payload)
{
    CLEANUP(freep)
    char *input = mint_input(header, strlen(header), payload, strlen(payload));
    uint8_t signature[512];
    size_t len;

    mint_signature(pkey, alg, input, strlen(input), signature, &len);
    return mint_join(input, signature, len);
}
