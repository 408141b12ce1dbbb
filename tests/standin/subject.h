/* Verification of subject tokens, the service-account JWTs of an exchange. */
#ifndef STANDIN_SUBJECT_H
#define STANDIN_SUBJECT_H

#include <jansson.h>

struct standin;

/*
 * Verifies @token (RFC 7515, section 5.2; RFC 7519, section 7.2): its signature with the published
 * keys, its issuer, which is the stand-in's own or one that it trusts, and its times without
 * leeway.
 *
 * @ret_claims: set on success only; the caller owns it.
 *
 * Returns NULL on success, else a constant error message that contains no part of the token.
 */
const char *subject_verify(struct standin *standin, const char *token, json_t **ret_claims);

/* The same, but only the stand-in's own issuer is accepted. */
const char *subject_verify_own(struct standin *standin, const char *token, json_t **ret_claims);

/*
 * Returns the "sub" of @token without verifying it, for counting only, or NULL when it is
 * unreadable. The caller frees it.
 */
char *subject_peek(const char *token);

#endif
