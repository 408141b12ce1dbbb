/* Walks over the members of a JSON object (RFC 8259), without a library and without copies. */
#ifndef COMMAND_JSON_SCAN_H
#define COMMAND_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

struct json_span {
    const char *at;
    size_t len;
};

struct json_member {
    struct json_span name;  /* with its quotes, and escapes as they are */
    struct json_span value; /* without white space around it */
};

struct json_scan {
    const char *at, *end;
    bool is_first;
    bool is_wrong; /* the text is not a JSON object */
};

/* Begins at an object, which is all of @text but for white space. */
struct json_scan json_scan(struct json_span text);

/* Returns whether there is another member, and sets it. False at the end, and if is_wrong is set.
 */
bool json_scan_next(struct json_scan *scan, struct json_member *ret_member);

/* Returns whether @span is the string @name, which needs no escapes. */
bool json_span_is(struct json_span span, const char *name);

/* Returns whether both have the same bytes. */
bool json_span_equal(struct json_span a, struct json_span b);

/* Finds the last member @name of the object @text. False if there is none, or it is no object. */
bool json_scan_find(struct json_span text, const char *name, struct json_span *ret_value);

#endif
