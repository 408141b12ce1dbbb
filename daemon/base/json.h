/*
 * Reads untrusted JSON strictly: refuses duplicate members, NUL in strings, and documents that are
 * too deep or have too many members.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <jansson.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/json_value.h" /* the limits */

/*
 * Parses @len bytes as one JSON object. Member names are compared after unescaping, so "\u0061"
 * duplicates "a".
 *
 * Returns the object, which the caller releases; or NULL with errno: ENOMEM, or EINVAL if the text
 * is not one JSON object or breaks a limit.
 */
json_t *json_read_object(const void *text, size_t len);

/*
 * Returns the string that is the member @name, or NULL if the member is absent or not a string.
 * Strings of json_read_object() have no embedded NUL. @object may be NULL.
 */
const char *json_member_string(const json_t *object, const char *name);

#endif
