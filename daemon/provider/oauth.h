/* Reads answers of OAuth 2.0 token endpoints (RFC 6749, section 5; RFC 8693, section 2.2). */
#ifndef PROVIDER_OAUTH_H
#define PROVIDER_OAUTH_H

#include "base/json_value.h"
#include "provider/exchange.h"

struct oauth_rules {
    const char *variable;   /* for the token */
    const char *token_type; /* of a token whose answer has no token_type; NULL: it must have one */
    uint32_t lifetime_s;    /* of a token whose answer has no expires_in; 0: it must have one */
    bool has_client; /* the request authenticates a client with a secret, so "invalid_client" is
                        about the settings, not about the JWT */
};

/*
 * Reads an answer. Sets the outcome of @answer and appends to its detail. With OUTCOME_OK, also
 * adds the token as the value of the variable, and sets token_type, and expires_in_s, to
 * TOKEN_LIFETIME_MAX_S at most. A 503 with answer->retry_after_ms set is OUTCOME_THROTTLED.
 *
 * Returns 0 or -ENOMEM.
 */
int oauth_answer(long http_status, const void *body, size_t body_len,
                 const struct oauth_rules *rules, struct provider_answer *answer);

/*
 * The parts of oauth_answer(), for answers that did not come by HTTP. A body of NULL has no
 * members.
 */

/*
 * Returns the error that @body reports; NULL: none. One that is not a string breaks RFC 6749, but
 * is an error, too.
 */
const char *oauth_error(const struct json_value *body);

/*
 * Returns the outcome of an error of RFC 6749, section 5.2, or RFC 8693, section 2.2.2. With HTTP
 * 401 and 403, an unknown error is a refusal.
 */
enum outcome oauth_outcome(long http_status, const char *error);

/* Appends the error and its description to the detail of @answer. */
void oauth_explain(struct provider_answer *answer, const struct json_value *body);

/*
 * Takes the token from @body, and sets the outcome: OUTCOME_OK, or OUTCOME_MALFORMED with a detail.
 * Returns 0 or -ENOMEM.
 */
int oauth_take_token(struct provider_answer *answer, const struct oauth_rules *rules,
                     const struct json_value *body);

#endif
