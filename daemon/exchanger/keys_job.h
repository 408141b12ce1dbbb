/* Parses discovery documents. */
#ifndef EXCHANGER_KEYS_JOB_H
#define EXCHANGER_KEYS_JOB_H

#include <stddef.h>

#define DISCOVERY_ERROR_SIZE 256

/*
 * Reads a discovery document of @len bytes (OpenID Connect Discovery 1.0, section 4.2). Its
 * "issuer" must equal @issuer byte by byte, and its "jwks_uri" must be an https URL.
 *
 * Returns the "jwks_uri", which the caller frees; or NULL with the reason in @ret_error, a
 * printable text.
 */
char *discovery_read(const void *body, size_t len, const char *issuer,
                     char ret_error[DISCOVERY_ERROR_SIZE]);

#endif
