/* Parses answers to a TokenReview (authentication.k8s.io/v1). */
#ifndef EXCHANGER_REVIEW_JOB_H
#define EXCHANGER_REVIEW_JOB_H

#include <stddef.h>

#include "base/outcome.h"
#include "provider/detail.h"

/* What a TokenReview must report about the JWT. */
struct review_expected {
    const char *audience;
    const char *username;
    const char *uid;
};

/*
 * Reads the API server's answer of @len bytes.
 *
 * @ret_detail: DETAIL_SIZE bytes; explains the outcome, empty for OUTCOME_OK. It may have text of
 * the server, which is not safe for logs yet.
 *
 * Returns OUTCOME_OK; OUTCOME_REFUSED if the JWT is not valid any more; OUTCOME_MISCONFIGURED if
 * the API server rejects the daemon's own token; OUTCOME_UNAVAILABLE; or OUTCOME_MALFORMED.
 */
enum outcome review_read(long http_status, const void *body, size_t len,
                         const struct review_expected *expected, char *ret_detail);

#endif
