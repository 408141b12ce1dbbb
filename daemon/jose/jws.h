/*
 * Compact JSON Web Signatures (RFC 7515, section 7.1), strictly: parse without trusting, then
 * verify.
 *
 * Only asymmetric algorithms exist here. "none", HMAC, and header members that would bring their
 * own key or change the meaning of the payload are refused, not ignored.
 */
#ifndef JWS_H
#define JWS_H

#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "jose/algorithm.h"
#include "jose/jwks.h"
#include "message/refusal.h"

#define SIGNATURE_MAX 512 /* RSA 4096 */

struct jws {
    enum algorithm algorithm;
    char kid[KID_MAX + 1];
    json_t *payload;   /* owned: one JSON object */
    size_t signed_len; /* of the text before the second dot */
    uint8_t signature[SIGNATURE_MAX + 2];
    size_t signature_len;
};

/*
 * Splits and decodes @len bytes of @text. Nothing in the result can be believed yet.
 *
 * Returns PODLOGIN_OK; or PODLOGIN_TOKEN_MALFORMED, PODLOGIN_TOKEN_BAD_ALGORITHM ("alg" is not an
 * asymmetric signature algorithm) or PODLOGIN_INTERNAL (out of memory), which @ret_refusal
 * explains.
 */
enum podlogin_status jws_parse(const char *text, size_t len, struct jws *ret_jws,
                               struct refusal *ret_refusal);

/*
 * Whether @text was signed with @key. The algorithm has to be one that @key may be used with.
 *
 * Returns PODLOGIN_OK, PODLOGIN_TOKEN_BAD_ALGORITHM, PODLOGIN_TOKEN_BAD_SIGNATURE or
 * PODLOGIN_INTERNAL.
 */
enum podlogin_status jws_verify(const struct jws *jws, const char *text, const struct jwk *key);

void jws_done(struct jws *jws);

#endif
