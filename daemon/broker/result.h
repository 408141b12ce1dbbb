/*
 * Whether what the exchanger hands over can be believed as far as that can be checked: it speaks to
 * servers, and one of them may have taken it over.
 */
#ifndef RESULT_H
#define RESULT_H

#include "exchange/job.h"
#include "provider/provider.h"

/*
 * Checks a result with OUTCOME_OK: the names of its variables against @provider's own list, the
 * characters and lengths of its values, and its lifetime.
 *
 * Returns true; or false with a sentence, which holds no value, in @ret_detail.
 */
bool result_check(const struct job_result *result, const struct provider *provider,
                  char *ret_detail, size_t size);

/*
 * The token's lifetime in seconds from @now_s on: the shorter one, if it is told in both ways, and
 * TOKEN_LIFETIME_MAX_S at most. 0: none is told, or it is over.
 */
uint32_t result_lifetime_s(const struct job_result *result, int64_t now_s);

#endif
