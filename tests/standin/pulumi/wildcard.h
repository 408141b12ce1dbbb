/* The wildcards of Pulumi Cloud's authorization policies. */
#ifndef STANDIN_PULUMI_WILDCARD_H
#define STANDIN_PULUMI_WILDCARD_H

#include <stdbool.h>

/*
 * Returns whether all of @text matches @pattern: `*` is zero or more characters, `?` zero or one,
 * `.` exactly one; any other character matches itself. Both are UTF-8. The time is proportional to
 * the product of the lengths, for every pattern.
 */
bool wildcard_matches(const char *pattern, const char *text);

#endif
