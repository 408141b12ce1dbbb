/* Parses discovery documents. */
#ifndef EXCHANGER_KEYS_JOB_H
#define EXCHANGER_KEYS_JOB_H

#include <stddef.h>

/*
 * Reads a discovery document of @len bytes (OpenID Connect Discovery 1.0, section 4.2). Its
 * "issuer" must equal @issuer byte by byte, and its "jwks_uri" must be an https URL.
 *
 * Returns the "jwks_uri", which the caller frees; or NULL with a constant text in @ret_error.
 */
char *discovery_read(const void *body, size_t len, const char *issuer, const char **ret_error);

#endif
