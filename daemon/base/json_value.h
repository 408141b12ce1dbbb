/*
 * Untrusted JSON, read strictly in one pass into one block of memory: for documents that are read
 * often and kept, which are the parts of JWTs. It accepts what json_read_object() accepts.
 */
#ifndef BASE_JSON_VALUE_H
#define BASE_JSON_VALUE_H

#include <stddef.h>
#include <stdint.h>

#define JSON_DEPTH_MAX   8
#define JSON_MEMBERS_MAX 1024 /* members and elements of all objects and arrays together */

enum json_kind {
    JSON_KIND_OBJECT,
    JSON_KIND_ARRAY,
    JSON_KIND_STRING,
    JSON_KIND_INTEGER,
    JSON_KIND_REAL, /* its value is not kept: no claim is one */
    JSON_KIND_TRUE,
    JSON_KIND_FALSE,
    JSON_KIND_NULL,
};

/*
 * One value. The values of a document are in one array in the order of the text, so the first child
 * of an object or array is behind it. Strings are UTF-8 without NUL, and end with one. They are
 * found by their distance in bytes from the value, so that a document can be moved.
 */
struct json_value {
    uint32_t name;      /* distance of the name, for members of objects only */
    uint32_t kind : 4;  /* enum json_kind */
    uint32_t next : 28; /* values from here to the next sibling */
    union {
        uint32_t string; /* distance */
        uint32_t n;      /* members of an object, or elements of an array */
        int64_t integer;
    };
};

/*
 * Reads @len bytes as one JSON object. Refuses member names that are equal after unescaping,
 * integers beyond 64 bits, reals beyond a double, text that is not UTF-8, and whatever exceeds
 * JSON_DEPTH_MAX or JSON_MEMBERS_MAX.
 *
 * Returns the object, which the caller frees with free(); or NULL with errno: ENOMEM, or EINVAL.
 */
struct json_value *json_value_read(const void *text, size_t len);

/* Returns the member with this name; or NULL: it is absent, or @object is NULL or no object. */
const struct json_value *json_value_member(const struct json_value *object, const char *name);

/* Returns the string; or NULL: @value is NULL or no string. */
static inline const char *json_value_string(const struct json_value *value)
{
    return value && value->kind == JSON_KIND_STRING ? (const char *)value + value->string : NULL;
}

/* Returns the name of a member of an object. */
static inline const char *json_value_name(const struct json_value *member)
{
    return (const char *)member + member->name;
}

/* Visits the members or elements of @container, an object or array. */
#define JSON_VALUE_FOREACH(child, container)                                                       \
    for (const struct json_value *child = (container) + 1,                                         \
                                 *child##_end = (container) + (container)->next;                   \
         child < child##_end; child += child->next)

#endif
