/* What the exchanger does with a job: build the request, read the answer, send the result. */
#ifndef WORK_H
#define WORK_H

#include "exchanger/http.h"

struct worker {
    CURLM *multi;
};

/* Begins the job in the frame of @len bytes; its result is sent later. */
void worker_take(struct worker *worker, const uint8_t *frame, size_t len);

/*
 * Reads a discovery document (OpenID Connect Discovery 1.0, section 4.2): its issuer must be
 * @issuer byte by byte, its jwks_uri an https URL. The URL is the caller's; NULL with a sentence
 * otherwise.
 */
char *discovery_read(const void *body, size_t len, const char *issuer, const char **ret_error);

/* What a TokenReview has to find in the token. */
struct review_expected {
    const char *audience;
    const char *username;
    const char *uid;
};

/*
 * Reads the API server's answer: OUTCOME_OK, OUTCOME_REFUSED (the token does not count any more),
 * or why it is no answer; with a sentence in @ret_detail, but for the first.
 */
enum outcome review_read(long http_status, const void *body, size_t len,
                         const struct review_expected *expected, char *ret_detail, size_t size);

#endif
