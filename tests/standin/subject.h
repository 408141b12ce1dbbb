/* Verification of subject tokens, the service-account JWTs of an exchange. */
#ifndef STANDIN_SUBJECT_H
#define STANDIN_SUBJECT_H

#include <jansson.h>

struct standin;

/* Why a subject token is refused. The upstreams answer with errors of their own. */
enum subject_error {
    SUBJECT_IS_VALID,
    SUBJECT_NOT_A_JWT,
    SUBJECT_BAD_HEADER,
    SUBJECT_BAD_CLAIMS,
    SUBJECT_UNKNOWN_ISSUER,
    SUBJECT_CRITICAL_HEADER,
    SUBJECT_NAMES_NO_KEY,
    SUBJECT_UNKNOWN_KEY,
    SUBJECT_OTHER_ALGORITHM,
    SUBJECT_BAD_SIGNATURE,
    SUBJECT_WITHOUT_SUBJECT,
    SUBJECT_EXPIRED,
    SUBJECT_TOO_EARLY,
    SUBJECT_ERRORS,
};

/* The error as a sentence without a full stop; it contains no part of the token. */
const char *subject_error_text(enum subject_error error);

/*
 * Verifies @token (RFC 7515, section 5.2; RFC 7519, section 7.2): its issuer, which is the
 * stand-in's own or one that it trusts, its signature with that issuer's keys, and its times
 * without leeway.
 *
 * @ret_claims: set on success only; the caller owns it.
 */
enum subject_error subject_verify(struct standin *standin, const char *token, json_t **ret_claims);

/* The same, but only the stand-in's own issuer is accepted. */
enum subject_error subject_verify_own(struct standin *standin, const char *token,
                                      json_t **ret_claims);

/*
 * Returns the string @claim of @token without verifying it, for counting and error messages only,
 * or NULL when it is unreadable. The caller frees it.
 */
char *subject_peek(const char *token, const char *claim);

#endif
