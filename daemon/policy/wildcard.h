/*
 * Patterns as Pulumi Cloud's authorization policies write them: `*` is any run of characters, `?`
 * none or one, `.` exactly one. A character is a Unicode code point.
 */
#ifndef WILDCARD_H
#define WILDCARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WILDCARD_MAX 512 /* code points of a pattern */

struct wildcard {
    char *text; /* as it was written */
    uint32_t *code_points;
    size_t n;
    bool is_literal; /* no wildcard in it: comparing strings is enough */
};

/* 0; -EINVAL if @text is not UTF-8, -E2BIG if it is longer than WILDCARD_MAX, -ENOMEM. */
int wildcard_init(struct wildcard *wildcard, const char *text);
void wildcard_done(struct wildcard *wildcard);

/*
 * Whether the whole of @text (UTF-8) matches. The work is bounded by the product of both lengths,
 * whatever the pattern: every position that the pattern could be at is followed at once.
 */
bool wildcard_matches(const struct wildcard *wildcard, const char *text);

#endif
