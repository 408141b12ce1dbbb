/* Reading a discovery document. */
#ifndef KEYS_JOB_H
#define KEYS_JOB_H

#include <stddef.h>

/*
 * Reads a discovery document (OpenID Connect Discovery 1.0, section 4.2): its issuer must be
 * @issuer byte by byte, its jwks_uri an https URL.
 *
 * Returns that URL, which the caller frees; or NULL with a constant sentence in @ret_error.
 */
char *discovery_read(const void *body, size_t len, const char *issuer, const char **ret_error);

#endif
