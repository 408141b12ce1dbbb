/*
 * Checks the results of the exchanger as far as possible. The exchanger talks to servers, and one
 * of them may have taken it over.
 */
#ifndef BROKER_RESULT_H
#define BROKER_RESULT_H

#include "config/config.h"
#include "exchange/job.h"

/*
 * Checks a result with OUTCOME_OK: the names of its variables against what @service allows, the
 * characters and lengths of its values, and its lifetime.
 *
 * @ret_detail: a sentence of at most @size bytes, set only if the result is not valid. It has no
 *              values of the result.
 *
 * Returns whether the result is valid.
 */
bool result_check(const struct job_result *result, const struct service *service, char *ret_detail,
                  size_t size);

/*
 * Returns the token's lifetime in seconds from @now_s, at most TOKEN_LIFETIME_MAX_S. If the result
 * states both a lifetime and an expiry, the shorter one counts. Returns 0 if it states neither, or
 * if the token has expired.
 */
uint32_t result_lifetime_s(const struct job_result *result, int64_t now_s);

#endif
