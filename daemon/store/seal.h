/*
 * Seals bytes with AES-256-GCM (NIST SP 800-38D) and a random 96-bit nonce, and derives names with
 * HMAC-SHA-256. The keys are derived from one master key, which is not stored with the data.
 */
#ifndef STORE_SEAL_H
#define STORE_SEAL_H

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
    struct secret *key;       /* of AES; NULL: not initialized */
    struct secret *index_key; /* of the names */
    uint8_t id[SEAL_ID_SIZE]; /* identifies the master key without revealing it */
    EVP_CIPHER_CTX *closing;  /* the contexts hold the keys, which are thus expanded only once */
    EVP_CIPHER_CTX *opening;
    EVP_MAC_CTX *naming;
};

/* Initializes @seal with @key, the master key of SEAL_KEY_SIZE bytes. Returns 0 or -ENOMEM. */
int seal_init(struct seal *seal, const void *key);

/* Wipes and frees the contents of @seal, which may be zeroed. */
void seal_done(struct seal *seal);

/*
 * Seals @len bytes with associated data. Writes nonce, ciphertext and tag, @len + SEAL_OVERHEAD
 * bytes. Returns 0, or -EIO if OpenSSL fails, for example without randomness.
 */
int seal_close(struct seal *seal, const void *bytes, size_t len, const void *associated,
               size_t associated_len, uint8_t *ret_sealed);

/*
 * Opens @len sealed bytes. Writes @len - SEAL_OVERHEAD bytes; on failure they mean nothing.
 *
 * Returns 0, or -EBADMSG if the bytes or the associated data are not exactly those that were sealed
 * with this key.
 */
int seal_open(struct seal *seal, const uint8_t *sealed, size_t len, const void *associated,
              size_t associated_len, uint8_t *ret_bytes);

/* Derives the name of the row of @key. Returns 0 or -ENOMEM. */
int seal_name(const struct seal *seal, const struct digest *key, struct digest *ret_name);

#endif
