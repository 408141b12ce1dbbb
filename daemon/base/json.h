/* JSON from outside, read strictly: duplicates, NUL, depth and size are refused. */
#ifndef JSON_H
#define JSON_H

#include <jansson.h>
#include <stddef.h>

#include "base/cleanup.h"

#define JSON_DEPTH_MAX   8
#define JSON_MEMBERS_MAX 1024 /* of all objects and arrays together */

/*
 * Reads one JSON object. Member names are compared after unescaping, so "\u0061" duplicates "a".
 *
 * Returns the object, owned by the caller, or NULL.
 */
json_t *json_read_object(const void *text, size_t len);

/* The member's string, without an embedded NUL; NULL if it is absent or something else. */
const char *json_member_string(const json_t *object, const char *name);

#endif
