/*
 * Any key set: it is parsed or refused; each parsed key is complete. A key set that replaces an
 * equal one keeps its keys.
 */
#include "fuzz/fuzz.h"
#include "jose/jwks.h"

static void replace(struct jwks *jwks, const uint8_t *data, size_t size)
{
    struct jwk *key = jwk_ref(jwks->keys[0]);
    const char *error;
    struct jwks fresh;
    size_t n = jwks->n;

    PROMISE(jwks_parse(data, size, &fresh, &error) == 0 && fresh.n == n);
    jwks_replace(jwks, &fresh);
    PROMISE(jwks->n == n && fresh.n == 0);
    PROMISE(jwks->keys[0] == key && !key->is_withdrawn);
    jwk_unref(key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *error = NULL;
    struct jwks jwks;

    if (jwks_parse(data, size, &jwks, &error) < 0) {
        PROMISE(error && jwks.n == 0);
        return 0;
    }
    PROMISE(jwks.n > 0 && jwks.n <= JWKS_KEYS_MAX);
    for (size_t i = 0; i < jwks.n; i++) {
        PROMISE(jwks.keys[i]->pkey && jwks.keys[i]->algorithms && jwks.keys[i]->kid[0]);
        PROMISE(jwks_find(&jwks, jwks.keys[i]->kid) == jwks.keys[i]);
    }
    replace(&jwks, data, size);
    jwks_done(&jwks);
    return 0;
}
