/* Answers of OAuth 2.0 token endpoints (RFC 6749, section 5; RFC 8693, section 2.2). */
#ifndef OAUTH_H
#define OAUTH_H

#include "provider/exchange.h"

/*
 * Sets outcome and detail of @answer, and with OUTCOME_OK its token as the value of @variable, its
 * type and expires_in_s. Returns 0 or -ENOMEM.
 */
int oauth_answer(long http_status, const void *body, size_t body_len, const char *variable,
                 struct provider_answer *answer);

#endif
