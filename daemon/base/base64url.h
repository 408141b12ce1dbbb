/*
 * Decodes base64url without padding, as JOSE uses it (RFC 7515, section 2). Strict: each value has
 * exactly one spelling. There is no encoder.
 */
#ifndef BASE_BASE64URL_H
#define BASE_BASE64URL_H

#include <stddef.h>
#include <stdint.h>

/* An upper bound of the number of bytes that @len characters decode to. */
#define BASE64URL_DECODED_MAX(len) ((len) / 4 * 3 + 2)

/*
 * Decodes @len characters of @text.
 *
 * @ret_bytes: a buffer of at least BASE64URL_DECODED_MAX(@len) bytes; may be written on failure.
 * @ret_len:   the number of bytes; set on success only.
 *
 * Returns 0, or -EBADMSG: a character is not in the alphabet (this includes padding and white
 * space), the length is 4n + 1, or the trailing bits are not zero.
 */
int base64url_decode(const char *text, size_t len, uint8_t *ret_bytes, size_t *ret_len);

#endif
