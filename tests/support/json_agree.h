/* Compares what the two readers of JSON make of a text. */
#ifndef JSON_AGREE_H
#define JSON_AGREE_H

#include <stdbool.h>
#include <string.h>

#include "base/json.h"

static inline bool json_agrees(const json_t *json, const struct json_value *value);

static inline bool json_children_agree(const json_t *json, const struct json_value *value)
{
    const bool is_object = value->kind == JSON_KIND_OBJECT;
    size_t n = 0;

    if (value->n != (is_object ? json_object_size(json) : json_array_size(json)))
        return false;
    JSON_VALUE_FOREACH(child, value)
    {
        const json_t *theirs =
            is_object ? json_object_get(json, json_value_name(child)) : json_array_get(json, n);

        if (!theirs || !json_agrees(theirs, child))
            return false;
        if (is_object && json_value_member(value, json_value_name(child)) != child)
            return false;
        n++;
    }
    return n == value->n;
}

/* Returns whether the values are equal. Reals are only compared in kind. */
static inline bool json_agrees(const json_t *json, const struct json_value *value)
{
    static const enum json_kind kinds[] = {
        [JSON_OBJECT] = JSON_KIND_OBJECT, [JSON_ARRAY] = JSON_KIND_ARRAY,
        [JSON_STRING] = JSON_KIND_STRING, [JSON_INTEGER] = JSON_KIND_INTEGER,
        [JSON_REAL] = JSON_KIND_REAL,     [JSON_TRUE] = JSON_KIND_TRUE,
        [JSON_FALSE] = JSON_KIND_FALSE,   [JSON_NULL] = JSON_KIND_NULL,
    };

    if (value->kind != kinds[json_typeof(json)])
        return false;
    switch (value->kind) {
    case JSON_KIND_OBJECT:
    case JSON_KIND_ARRAY:
        return json_children_agree(json, value);
    case JSON_KIND_STRING:
        return strcmp(json_value_string(value), json_string_value(json)) == 0;
    case JSON_KIND_INTEGER:
        return value->integer == json_integer_value(json);
    default:
        return value->next == 1;
    }
}

#endif
