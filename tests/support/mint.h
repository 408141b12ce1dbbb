/*
 * Keys, key sets and signed tokens for tests, made with OpenSSL only. It shares no code with the
 * daemon, so that an error there is not repeated here. The caller frees the strings.
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

/*
 * Returns a random odd number of exactly @bits, encoded like "n" of a JWK. It is not a product of
 * two primes.
 */
char *mint_modulus(unsigned bits);

/* Returns the public key as a JWK. */
char *mint_jwk(EVP_PKEY *pkey, const char *kid);

/* Signs @len bytes of @input, in the format of JOSE: for EC, r and s instead of DER. */
void mint_signature(EVP_PKEY *pkey, const char *alg, const void *input, size_t len,
                    uint8_t ret_signature[512], size_t *ret_len);

/* Signs with RSASSA-PSS and a salt of @salt_len bytes. */
void mint_signature_salted(EVP_PKEY *pkey, int salt_len, const void *input, size_t len,
                           uint8_t ret_signature[512], size_t *ret_len);

/* Returns HEADER.PAYLOAD, encoded, without the second dot. */
char *mint_input(const void *header, size_t header_len, const void *payload, size_t payload_len);

/* Returns INPUT.SIGNATURE. */
char *mint_join(const char *input, const void *signature, size_t len);

/* Returns a complete token. */
char *mint_token(EVP_PKEY *pkey, const char *alg, const char *header, const char *payload);

#endif
