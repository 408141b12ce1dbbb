/*
 * Patterns with wildcards, as in Pulumi Cloud's authorization policies: `*` matches any number of
 * characters, `?` none or one, `.` exactly one. A character is a Unicode code point.
 */
#ifndef POLICY_WILDCARD_H
#define POLICY_WILDCARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WILDCARD_MAX 512 /* code points of a pattern */

struct wildcard {
    char *text; /* the pattern as it was written */
    uint32_t *code_points;
    size_t n;
    bool is_literal; /* has no wildcard: strings are compared */
};

/*
 * Reads a pattern. Returns 0; -EINVAL if @text is not UTF-8; -E2BIG if it is longer than
 * WILDCARD_MAX code points; or -ENOMEM.
 */
int wildcard_init(struct wildcard *wildcard, const char *text);

/* Frees the contents of @wildcard. */
void wildcard_done(struct wildcard *wildcard);

/*
 * Returns whether the whole of @text matches. Text that is not valid UTF-8 never matches. The time
 * is bounded by the product of both lengths for any pattern, because all possible positions in the
 * pattern are tracked at once.
 */
bool wildcard_matches(const struct wildcard *wildcard, const char *text);

/*
 * Returns whether every text that @inner matches is matched by @outer, too. Compares the patterns
 * from left to right, and may return false although it is so: ".*" and "*." match the same.
 */
bool wildcard_covers(const struct wildcard *outer, const struct wildcard *inner);

#endif
