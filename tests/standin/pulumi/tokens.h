/* The Pulumi access tokens that were issued. The caller of all functions holds the lock. */
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
    const char *type; /* the URN that was asked for */
    const char *scope;
    const char *organization;
    time_t expires_at;
    size_t bytes_min;
};

void tokens_init(struct tokens *tokens);
void tokens_done(struct tokens *tokens);

/*
 * Issues a token `pul-<hex of the subject>.<24 random characters>[padding]`. The subject is in it
 * so that a test can tell from the token alone whose it is.
 *
 * Returns its value, which @tokens owns.
 */
const char *tokens_issue(struct tokens *tokens, const struct token_spec *spec);

/* Returns the token's record, which @tokens owns, or NULL when it is unknown (or expired). */
json_t *tokens_find(struct tokens *tokens, const char *value);
json_t *tokens_find_valid(struct tokens *tokens, const char *value, time_t now);

/* An array of all records. The caller owns it. */
json_t *tokens_list(struct tokens *tokens);

#endif
