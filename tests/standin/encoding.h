/* Bytes as text: base64url without padding (RFC 4648, section 5), hexadecimal, and UUIDs. */
#ifndef STANDIN_ENCODING_H
#define STANDIN_ENCODING_H

#include <stddef.h>
#include <stdint.h>

#define UUID_BYTES 37 /* with its NUL */

/* The caller frees what these return. */
char *base64url_encode(const void *bytes, size_t len);
char *hex_encode(const void *bytes, size_t len);

/*
 * Decodes @len characters of canonical base64url.
 *
 * @ret_bytes: followed by a NUL that @ret_len does not count; the caller frees it.
 *
 * Returns 0, or -EBADMSG for any other character, padding, or non-zero trailing bits.
 */
int base64url_decode(const char *text, size_t len, uint8_t **ret_bytes, size_t *ret_len);

/* Base64 with padding (RFC 4648, section 4), as JSON of Go has it. */
char *base64_encode(const void *bytes, size_t len);
int base64_decode(const char *text, uint8_t **ret_bytes, size_t *ret_len);

void random_bytes(void *bytes, size_t len);

/* A version 4 UUID. */
void uuid_random(char ret_uuid[UUID_BYTES]);

/* Gives the same UUID for the same @name in every run, so that tests can predict uids. */
void uuid_of_name(const char *name, char ret_uuid[UUID_BYTES]);

#endif
