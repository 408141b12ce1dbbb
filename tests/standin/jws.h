/*
 * JSON Web Signatures (RFC 7515) with the nine public-key algorithms of RFC 7518, section 3.1.
 *
 * The stand-in does not use the daemon's code for this, so that an error there cannot hide itself.
 */
#ifndef STANDIN_JWS_H
#define STANDIN_JWS_H

#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

enum jws_family {
    JWS_RSA_PKCS1,
    JWS_RSA_PSS,
    JWS_ECDSA
};

struct jws_algorithm {
    const char *name; /* the "alg" of the header */
    enum jws_family family;
    const char *digest;      /* OpenSSL's name */
    const char *curve;       /* ECDSA only; also the "crv" of the JWK */
    size_t coordinate_bytes; /* ECDSA only: the width of r, s, x and y */
};

#define JWS_ALGORITHMS 9
extern const struct jws_algorithm jws_algorithms[JWS_ALGORITHMS];

/* Returns NULL for an unknown name. */
const struct jws_algorithm *jws_algorithm_find(const char *name);

/*
 * Signs @input. Several threads may use the same @key.
 *
 * @ret_signature: as in the third part of a compact JWS, so for ECDSA r followed by s (RFC 7518,
 *                 section 3.4); the caller frees it.
 */
int jws_sign(const struct jws_algorithm *algorithm, EVP_PKEY *key, const char *input,
             uint8_t **ret_signature, size_t *ret_len);

/* Returns 0 when @signature is valid for @key and @input, else -EBADMSG. */
int jws_verify(const struct jws_algorithm *algorithm, EVP_PKEY *key, const char *input,
               size_t input_len, const uint8_t *signature, size_t signature_len);

#endif
