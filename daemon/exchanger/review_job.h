/* Reading a TokenReview (authentication.k8s.io/v1). */
#ifndef REVIEW_JOB_H
#define REVIEW_JOB_H

#include <stddef.h>

#include "base/outcome.h"
#include "provider/detail.h"

/* What a TokenReview has to find in the token. */
struct review_expected {
    const char *audience;
    const char *username;
    const char *uid;
};

/*
 * Reads the API server's answer. Returns OUTCOME_OK; OUTCOME_REFUSED, if the token does not count
 * any more; or why it is no answer. @ret_detail, of DETAIL_SIZE bytes, explains all but the first.
 */
enum outcome review_read(long http_status, const void *body, size_t len,
                         const struct review_expected *expected, char *ret_detail);

#endif
