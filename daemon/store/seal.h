/*
 * Sealing: AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce, and HMAC-SHA-256 names, under
 * one key that is never kept beside the data.
 */
#ifndef SEAL_H
#define SEAL_H

#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/secret.h"

#define SEAL_KEY_SIZE 32
#define SEAL_NONCE    12
#define SEAL_TAG      16
#define SEAL_OVERHEAD (SEAL_NONCE + SEAL_TAG)
#define SEAL_ID_SIZE  8

struct seal {
    struct secret *key;
    struct secret *index_key;
    uint8_t id[SEAL_ID_SIZE]; /* tells keys apart; reveals nothing of them */
    EVP_CIPHER_CTX *closing;  /* with the key in each of them, so that it is expanded once */
    EVP_CIPHER_CTX *opening;
    EVP_MAC_CTX *naming;
};

/* @key: 32 bytes. 0 or -ENOMEM. */
int seal_init(struct seal *seal, const void *key);
void seal_done(struct seal *seal);

/* Writes nonce, ciphertext and tag: @len + SEAL_OVERHEAD bytes. 0, or -EIO (no randomness). */
int seal_close(struct seal *seal, const void *bytes, size_t len, const void *associated,
               size_t associated_len, uint8_t *ret_sealed);

/* -EBADMSG unless every bit of both is as it was sealed. @len bytes give len - SEAL_OVERHEAD. */
int seal_open(struct seal *seal, const uint8_t *sealed, size_t len, const void *associated,
              size_t associated_len, uint8_t *ret_bytes);

/* The name under which a row is kept. 0 or -ENOMEM. */
int seal_name(const struct seal *seal, const struct digest *key, struct digest *ret_name);

#endif
