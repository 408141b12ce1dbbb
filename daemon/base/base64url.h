/* base64url without padding, as JOSE writes it (RFC 7515, section 2): strict, one way only. */
#ifndef BASE64URL_H
#define BASE64URL_H

#include <stddef.h>
#include <stdint.h>

/* Most bytes that @len characters can stand for. */
#define BASE64URL_DECODED_MAX(len) ((len) / 4 * 3 + 2)

/*
 * Decodes @len characters into @ret_bytes, which has room for BASE64URL_DECODED_MAX(len).
 *
 * Returns 0 and the number of bytes; -EBADMSG for any other character (padding and white space are
 * such), a length of 4n + 1, or trailing bits that are not zero: one value has one spelling.
 */
int base64url_decode(const char *text, size_t len, uint8_t *ret_bytes, size_t *ret_len);

#endif
