/*
 * Keys, key sets and signed tokens for tests, made with OpenSSL alone. Nothing here shares code
 * with the daemon, so that a fault there is not repeated here. Strings are the caller's to free.
 */
#ifndef MINT_H
#define MINT_H

#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

EVP_PKEY *mint_rsa(unsigned bits);
EVP_PKEY *mint_ec(const char *curve); /* "P-256", "P-384" or "P-521" */

/* base64url without padding */
char *mint_encode(const void *bytes, size_t len);

/* A random odd number of exactly @bits, as "n" of a JWK has it; not a product of two primes. */
char *mint_modulus(unsigned bits);

/* The public key as a JWK. */
char *mint_jwk(EVP_PKEY *pkey, const char *kid);

/* A signature over @len bytes of @input as JOSE has it: for EC, r and s and not DER. */
void mint_signature(EVP_PKEY *pkey, const char *alg, const void *input, size_t len,
                    uint8_t ret_signature[512], size_t *ret_len);

/* RSASSA-PSS with a salt of @salt_len bytes. */
void mint_signature_salted(EVP_PKEY *pkey, int salt_len, const void *input, size_t len,
                           uint8_t ret_signature[512], size_t *ret_len);

/* HEADER.PAYLOAD, encoded, without the second dot. */
char *mint_input(const void *header, size_t header_len, const void *payload, size_t payload_len);

/* INPUT.SIGNATURE */
char *mint_join(const char *input, const void *signature, size_t len);

/* A whole token. */
char *mint_token(EVP_PKEY *pkey, const char *alg, const char *header, const char *payload);

#endif
