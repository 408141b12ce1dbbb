/* The issued access tokens. The caller of all functions holds the lock. */
#ifndef STANDIN_PULUMI_TOKENS_H
#define STANDIN_PULUMI_TOKENS_H

#include <jansson.h>
#include <stddef.h>
#include <time.h>

struct tokens {
    json_t *by_value;
};

struct token_spec {
    const char *subject;
    const char *type; /* a URN */
    const char *scope;
    const char *organization;
    time_t expires_at;
    size_t bytes_min;
};

void tokens_init(struct tokens *tokens);
void tokens_done(struct tokens *tokens);

/*
 * Issues a token `pul-<hex of the subject>.<24 random characters>[padding]`. It contains the
 * subject, so that a test can check to whom the token was given.
 *
 * Returns its value, which @tokens owns.
 */
const char *tokens_issue(struct tokens *tokens, const struct token_spec *spec);

/* These return the token's record, which @tokens owns, or NULL when it is unknown (or expired). */
json_t *tokens_find(struct tokens *tokens, const char *value);
json_t *tokens_find_valid(struct tokens *tokens, const char *value, time_t now);

/* Returns an array of all records. The caller owns it. */
json_t *tokens_list(struct tokens *tokens);

#endif
