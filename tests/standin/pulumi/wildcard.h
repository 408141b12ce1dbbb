/* The wildcards of Pulumi Cloud's authorization policies. */
#ifndef STANDIN_PULUMI_WILDCARD_H
#define STANDIN_PULUMI_WILDCARD_H

#include <stdbool.h>

/*
 * Tells whether all of @text matches @pattern: `*` is zero or more characters, `?` zero or one, `.`
 * exactly one; anything else is itself. A character is one of UTF-8. Takes time proportional to the
 * product of the lengths, whatever the pattern.
 */
bool wildcard_matches(const char *pattern, const char *text);

#endif
