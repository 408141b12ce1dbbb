/* The tokens that the upstreams issued. The caller of all functions holds the lock. */
#ifndef STANDIN_TOKENS_H
#define STANDIN_TOKENS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct tokens {
    json_t *by_value;
    json_int_t expires_in_max_s; /* no token lives longer, whatever its upstream says */
    size_t bytes_min;            /* tokens have at least this length */
};

/* How the tokens of one kind of upstream look. */
struct token_form {
    const char *kind;   /* the name of the upstream's kind */
    const char *prefix; /* what its tokens begin with */
    const char *separator;
};

void tokens_init(struct tokens *tokens);
void tokens_done(struct tokens *tokens);

/* Returns @asked_s, or the longest lifetime that a token may have. */
json_int_t tokens_lifetime(const struct tokens *tokens, json_int_t asked_s);

/*
 * Issues a token `PREFIX<hex of the subject>SEPARATOR<24 random characters>[padding]`. It contains
 * the subject, so that a test can check to whom the token was given.
 *
 * @lifetime_s: as tokens_lifetime() returned it.
 * @details:    further members of its record; this takes it.
 *
 * Returns its record, which @tokens owns.
 */
const json_t *tokens_issue(struct tokens *tokens, const struct token_form *form,
                           const char *subject, json_int_t lifetime_s, json_t *details);

/* Returns the token's record, which @tokens owns, or NULL when it is unknown. */
const json_t *tokens_find(const struct tokens *tokens, const char *value);

/* The same for an upstream of @kind, also NULL when it is of another kind or expired. */
const json_t *tokens_find_valid(const struct tokens *tokens, const char *kind, const char *value);

/* Returns whether the token of @record has not expired. */
bool token_is_valid(const json_t *record);

/* Returns a member of a record that is a string, or NULL. */
const char *token_member(const json_t *record, const char *name);

/* Returns an array of all records. The caller owns it. */
json_t *tokens_list(const struct tokens *tokens);

#endif
