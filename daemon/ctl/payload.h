/* The payload of a token, for output. */
#ifndef CTL_PAYLOAD_H
#define CTL_PAYLOAD_H

#include "base/secret.h"

/*
 * Decodes the payload of a token that jws_parse() or jws_parse_opaque() has accepted. The caller
 * frees it. Returns NULL with errno: ENOMEM, or EBADMSG: the payload is not base64url.
 */
struct secret *payload_decode(const struct secret *token);

#endif
