/* The fingerprint by which client and daemon speak of a token without showing it. */
#ifndef LIBRARY_FINGERPRINT_H
#define LIBRARY_FINGERPRINT_H

#include <stddef.h>
#include <stdint.h>

/* Returns the first 64 bits of the SHA-256 (FIPS 180-4) of @len bytes, as a big-endian number. */
uint64_t fingerprint(const void *bytes, size_t len);

#endif
