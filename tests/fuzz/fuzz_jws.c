/*
 * Any token: it is parsed or refused, its claims are read or refused, and its signature is never
 * valid.
 */
#include "fuzz/fuzz.h"
#include "identity/claims.h"
#include "jose/jws.h"

/* A real key, whose private half was not kept. */
static const char key_set[] =
    "{\"keys\":[{\"use\":\"sig\",\"kty\":\"EC\",\"kid\":\"k\",\"alg\":\"ES256\",\"crv\":\"P-256\","
    "\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","
    "\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"}]}";

static const struct jwks *keys(void)
{
    static struct jwks jwks;
    const char *error;

    if (jwks.n == 0)
        PROMISE(jwks_parse(key_set, sizeof(key_set) - 1, &jwks, &error) == 0);
    return &jwks;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct refusal refusal;
    struct claims claims;
    struct jws jws;

    if (jws_parse((const char *)data, size, &jws, &refusal) == PODLOGIN_OK) {
        PROMISE(jws.kid[0] && jws.algorithm < ALGORITHMS && jws.payload && jws.signed_len < size);
        PROMISE(jws_verify(&jws, (const char *)data, keys()->keys[0]) != PODLOGIN_OK);
        if (claims_read(jws.payload, &claims, &refusal) == PODLOGIN_OK) {
            PROMISE(claims.issuer && claims.subject && claims.namespace && claims.serviceaccount);
            PROMISE(claims.n_audiences > 0 && claims.expires_at_s > 0);
            claims_judge_time(&claims, 1782050000, 1782050000, &refusal);
        }
    }
    jws_done(&jws);
    return 0;
}
