#include "command/json_scan.h"

#include <string.h>

#define DEPTH_MAX 32

static void skip_white(struct json_scan *scan)
{
    while (scan->at < scan->end && strchr(" \t\r\n", *scan->at) && *scan->at)
        scan->at++;
}

static bool take(struct json_scan *scan, char byte)
{
    skip_white(scan);
    if (scan->at == scan->end || *scan->at != byte)
        return false;
    scan->at++;
    return true;
}

static bool skip_string(struct json_scan *scan)
{
    if (!take(scan, '"'))
        return false;
    while (scan->at < scan->end && *scan->at != '"') {
        if ((unsigned char)*scan->at < 0x20)
            return false;
        if (*scan->at == '\\' && ++scan->at == scan->end)
            return false;
        scan->at++;
    }
    return take(scan, '"');
}

/* A number, true, false or null; or something else of such bytes, which is passed on as it is. */
static bool skip_word(struct json_scan *scan)
{
    const char *start = scan->at;

    while (scan->at < scan->end && *scan->at &&
           strchr("+-.0123456789abcdefghijklmnopqrstuvwxyzE", *scan->at))
        scan->at++;
    return scan->at > start;
}

/* Skips a value; brackets are counted, and have to match. */
static bool skip_value(struct json_scan *scan)
{
    char closing[DEPTH_MAX];
    size_t depth = 0;

    do {
        skip_white(scan);
        if (scan->at == scan->end)
            return false;
        if (*scan->at == '{' || *scan->at == '[') {
            if (depth == DEPTH_MAX)
                return false;
            closing[depth++] = *scan->at++ == '{' ? '}' : ']';
        } else if (depth && *scan->at == closing[depth - 1]) {
            scan->at++;
            depth--;
        } else if (depth && (*scan->at == ',' || *scan->at == ':')) {
            scan->at++;
        } else if (!(*scan->at == '"' ? skip_string(scan) : skip_word(scan))) {
            return false;
        }
    } while (depth);
    return true;
}

struct json_scan json_scan(struct json_span text)
{
    struct json_scan scan = {.at = text.at, .end = text.at + text.len, .is_first = true};

    scan.is_wrong = !take(&scan, '{');
    return scan;
}

static bool read_member(struct json_scan *scan, struct json_member *ret_member)
{
    skip_white(scan);
    ret_member->name.at = scan->at;
    if (!skip_string(scan))
        return false;
    ret_member->name.len = (size_t)(scan->at - ret_member->name.at);
    if (!take(scan, ':'))
        return false;
    skip_white(scan);
    ret_member->value.at = scan->at;
    if (!skip_value(scan))
        return false;
    ret_member->value.len = (size_t)(scan->at - ret_member->value.at);
    return true;
}

bool json_scan_next(struct json_scan *scan, struct json_member *ret_member)
{
    bool is_first = scan->is_first;

    if (scan->is_wrong)
        return false;
    scan->is_first = false;
    if (take(scan, '}')) {
        skip_white(scan);
        scan->is_wrong = scan->at != scan->end;
        return false;
    }
    scan->is_wrong = (!is_first && !take(scan, ',')) || !read_member(scan, ret_member);
    return !scan->is_wrong;
}

bool json_span_is(struct json_span span, const char *name)
{
    return span.len == strlen(name) + 2 && memcmp(span.at + 1, name, span.len - 2) == 0;
}

bool json_span_equal(struct json_span a, struct json_span b)
{
    return a.len == b.len && memcmp(a.at, b.at, a.len) == 0;
}

bool json_scan_find(struct json_span text, const char *name, struct json_span *ret_value)
{
    struct json_scan scan = json_scan(text);
    struct json_member member;
    bool is_found = false;

    while (json_scan_next(&scan, &member)) {
        if (!json_span_is(member.name, name))
            continue;
        *ret_value = member.value;
        is_found = true;
    }
    return is_found && !scan.is_wrong;
}
