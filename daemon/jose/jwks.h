/*
 * An issuer's key set (RFC 7517): public RSA keys of 2048 to 4096 bits, and public EC keys on
 * P-256, P-384 and P-521.
 */
#ifndef JOSE_JWKS_H
#define JOSE_JWKS_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"
#include "jose/algorithm.h"

#define JWKS_KEYS_MAX  64
#define JWKS_BYTES_MAX 65536
#define KID_MAX        1024 /* bytes of "kid" */

/* Reference-counted: key sets and verified tokens refer to it. */
struct jwk {
    unsigned n_refs;
    bool is_withdrawn; /* the issuer's latest key set does not have it any more */
    char *kid;
    unsigned algorithms; /* that it may be used with; 1 << enum algorithm */
    EVP_PKEY *pkey;
    EVP_PKEY_CTX *verifying[ALGORITHMS]; /* made by jws_verify() at the first use; else NULL */
};

struct jwks {
    struct jwk *keys[JWKS_KEYS_MAX];
    size_t n;
    size_t n_skipped;        /* keys that should be usable and are not */
    const char *skip_reason; /* why the first of them is not, constant; NULL: none */
};

/*
 * Reads a key set.
 *
 * Each key is judged alone. Ignores keys of other types, curves, uses and algorithms, and keys
 * without a "kid" of 1 to KID_MAX bytes (RFC 7517, section 5). Skips, and counts, keys that have no
 * "kty", are of a supported type but malformed, of an unsupported size or private, those after the
 * first JWKS_KEYS_MAX, and a key that has the "kid" of another one before it. An entry that repeats
 * a key adds its algorithms to that key. Refuses the whole set if it is larger than JWKS_BYTES_MAX,
 * or if no key is left.
 *
 * @ret_jwks:  empty on failure; otherwise the caller releases it with jwks_done().
 * @ret_error: a constant text; means nothing on success.
 *
 * Returns 0; -EBADMSG; -ENOKEY: no key can be used; or -ENOMEM.
 */
int jwks_parse(const void *text, size_t len, struct jwks *ret_jwks, const char **ret_error);

/*
 * Moves the keys of @fresh to @old. A key that is in both keeps its struct jwk, so that tokens that
 * were verified with it stay verified. The other keys of @old are marked as withdrawn.
 */
void jwks_replace(struct jwks *old, struct jwks *fresh);

/* Returns the key with exactly this "kid", without a new reference; or NULL. */
struct jwk *jwks_find(const struct jwks *jwks, const char *kid);

/* Drops the references of @jwks and empties it. */
void jwks_done(struct jwks *jwks);

/* Adds a reference. Returns @key. */
struct jwk *jwk_ref(struct jwk *key);

/* Drops a reference, and frees @key with the last one. */
void jwk_unref(struct jwk *key);

#endif
