/* Key sets and thumbprints, as they are registered for an issuer that Pulumi Cloud cannot reach. */
#ifndef ISSUER_KEYS_H
#define ISSUER_KEYS_H

#include <jansson.h>
#include <stdbool.h>

/*
 * Reads a key set for uploading: its keys with their public members only, which podlogind would
 * trust, too. Refuses private and unusable keys.
 *
 * @ret_jwks: the caller releases it; set on success only.
 *
 * Returns EXIT_CODE_OK, or another exit code after printing the error.
 */
int keys_read(const char *path, json_t **ret_jwks);

/* Returns whether both have the same keys, in whatever order. NULL is equal to nothing. */
bool keys_are_equal(const json_t *a, const json_t *b);

/* Returns the names of the keys ("kid"), which the caller releases. */
json_t *keys_names(const json_t *jwks);

/* Returns whether both lists have the same thumbprints, in whatever order and case. */
bool thumbprints_are_equal(const json_t *a, const json_t *b);

#endif
