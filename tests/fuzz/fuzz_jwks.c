/* Any key set: it is parsed or refused; each parsed key is complete. */
#include "fuzz/fuzz.h"
#include "jose/jwks.h"

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
    jwks_done(&jwks);
    return 0;
}
