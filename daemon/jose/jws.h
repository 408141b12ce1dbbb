/*
 * Compact JSON Web Signatures (RFC 7515, section 7.1): strict parsing, then verification.
 *
 * Only asymmetric algorithms are supported. "none", HMAC, and header members that bring their own
 * key or change the meaning of the payload are refused, not ignored.
 */
#ifndef JOSE_JWS_H
#define JOSE_JWS_H

#include <stddef.h>
#include <stdint.h>

#include "base/json_value.h"
#include "jose/algorithm.h"
#include "jose/jwks.h"
#include "message/refusal.h"

#define SIGNATURE_MAX 512 /* bytes; RSA with 4096 bits */

struct jws {
    enum algorithm algorithm;
    char kid[KID_MAX + 1];
    struct json_value *payload; /* an object, owned; freed with free() */
    size_t signed_len;          /* length of the text before the second dot, which is signed */
    uint8_t signature[SIGNATURE_MAX + 2];
    size_t signature_len;
};

/*
 * Splits and decodes @len bytes of @text. The result is not verified and must not be trusted.
 *
 * @ret_jws:     on success, the caller releases it with jws_done().
 * @ret_refusal: set on failure only.
 *
 * Returns PODLOGIN_OK; PODLOGIN_TOKEN_MALFORMED; PODLOGIN_TOKEN_BAD_ALGORITHM if "alg" is not an
 * asymmetric signature algorithm; or PODLOGIN_INTERNAL if memory runs out.
 */
enum podlogin_status jws_parse(const char *text, size_t len, struct jws *ret_jws,
                               struct refusal *ret_refusal);

/*
 * The same for a token whose payload may be anything: it is not decoded, and ret_jws->payload is
 * NULL.
 */
enum podlogin_status jws_parse_opaque(const char *text, size_t len, struct jws *ret_jws,
                                      struct refusal *ret_refusal);

/*
 * Verifies the signature of @text, from which @jws was parsed, with @key, which keeps what OpenSSL
 * has prepared for the algorithm.
 *
 * Returns PODLOGIN_OK; PODLOGIN_TOKEN_BAD_ALGORITHM if @key may not be used with the algorithm;
 * PODLOGIN_TOKEN_BAD_SIGNATURE; or PODLOGIN_INTERNAL if the signature could not be checked, for
 * example because memory ran out.
 */
enum podlogin_status jws_verify(const struct jws *jws, const char *text, struct jwk *key);

/* Releases the payload and wipes @jws. */
void jws_done(struct jws *jws);

#endif
