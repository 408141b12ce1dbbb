/* Subject tokens: the service-account JWTs that are to be exchanged. */
#ifndef STANDIN_SUBJECT_H
#define STANDIN_SUBJECT_H

#include <jansson.h>

struct standin;

/*
 * Verifies @token (RFC 7515, section 5.2; RFC 7519, section 7.2): its signature by one of the keys
 * that the issuer publishes now, its issuer, and its times, without any leeway.
 *
 * @ret_claims: set on success only; the caller owns it.
 *
 * Returns NULL on success, and otherwise why it is refused: a constant text without any of the
 * token in it.
 */
const char *subject_verify(struct standin *standin, const char *token, json_t **ret_claims);

/*
 * Returns the "sub" that @token claims, unverified and for counting only, or NULL when it cannot be
 * read. The caller frees it.
 */
char *subject_claimed(const char *token);

#endif
