/* An issuer's key set (RFC 7517): public RSA and EC keys, each for one algorithm family. */
#ifndef JWKS_H
#define JWKS_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"
#include "jose/algorithm.h"

#define JWKS_KEYS_MAX  32
#define JWKS_BYTES_MAX 65536
#define KID_MAX        256

/* Kept as long as the key set or a verified token refers to it. */
struct jwk {
    unsigned n_refs;
    bool is_withdrawn; /* the issuer's newest key set does not have it any more */
    char *kid;
    unsigned algorithms; /* those that it may be used with */
    EVP_PKEY *pkey;
};

struct jwks {
    struct jwk *keys[JWKS_KEYS_MAX];
    size_t n;
};

/*
 * Reads a key set. Keys of other types or uses, and such without "kid", are passed over, as RFC
 * 7517, section 5 says; a key that claims to be of a known type and is broken, two keys of one
 * "kid", or a set without any usable key refuse the whole.
 *
 * Returns 0; -EBADMSG with a constant sentence in @ret_error; -ENOMEM.
 */
int jwks_parse(const void *text, size_t len, struct jwks *ret_jwks, const char **ret_error);

/* Keys of @old that @fresh has as well stay the same object, so that verified tokens stay verified.
 */
void jwks_replace(struct jwks *old, struct jwks *fresh);

/* NULL: there is none. Exactly that "kid"; never another that might do. */
struct jwk *jwks_find(const struct jwks *jwks, const char *kid);

void jwks_done(struct jwks *jwks);

struct jwk *jwk_ref(struct jwk *key);
void jwk_unref(struct jwk *key);

#endif
