#include "base/json.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/*
 * Limits the nesting depth before the parser recurses. Brackets in strings do not count. Any other
 * error is left to the parser.
 */
static bool depth_is_bounded(const char *text, size_t len)
{
    bool in_string = false;
    int depth = 0;

    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > JSON_DEPTH_MAX)
                return false;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return true;
}

static size_t count_members(json_t *json)
{
    size_t n = 0, i;
    const char *name;
    json_t *value;

    json_object_foreach(json, name, value) n += 1 + count_members(value);
    json_array_foreach(json, i, value) n += 1 + count_members(value);
    return n;
}

static _Thread_local bool has_run_out; /* of memory, since the latest json_read_object() began */

static void *allocate(size_t size)
{
    void *memory = malloc(size);

    has_run_out = has_run_out || !memory;
    return memory;
}

json_t *json_read_object(const void *text, size_t len)
{
    CLEANUP(json_decrefp)
    json_t *json = NULL;

    /* without memory, jansson may fail with another error, or drop characters of a string */
    json_set_alloc_funcs(allocate, free);
    has_run_out = false;
    /* jansson ends numbers and literals at a NUL, and takes what follows for blanks */
    if (len && !memchr(text, '\0', len) && depth_is_bounded(text, len))
        json = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(json) && !has_run_out && count_members(json) <= JSON_MEMBERS_MAX)
        return TAKE_PTR(json);
    errno = has_run_out ? ENOMEM : EINVAL;
    return NULL;
}

const char *json_member_string(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}
