/* Answers of OAuth 2.0 token endpoints (RFC 6749, section 5; RFC 8693, section 2.2). */
#ifndef OAUTH_H
#define OAUTH_H

#include "provider/provider.h"

/* Sets outcome, detail, token, token_type and expires_in_s of @answer. 0 or -ENOMEM. */
int oauth_answer(long http_status, const void *body, size_t body_len,
                 struct provider_answer *answer);

/*
 * Appends @text of a server to answer->detail, fit for a log: control characters and what is not
 * ASCII become '?', and any long unbroken run is left out, since a server may quote the JWT that it
 * was sent.
 */
void answer_add_detail(struct provider_answer *answer, const char *text);

#endif
