/* JSON without a library. */
#include "command/json.h"

#include <string.h>

/* The strings have no control characters, so only quotes and backslashes need to be escaped. */
void json_add_string(struct text *text, const char *before, const char *value)
{
    text_add(text, before, "\"", NULL);
    for (; *value; value++) {
        if (*value == '"' || *value == '\\')
            text_add(text, "\\", NULL);
        text_add_bytes(text, value, 1);
    }
    text_add(text, "\"", NULL);
}

void json_add(struct text *text, const char *before, const char *name, const char *value)
{
    json_add_string(text, before, name);
    json_add_string(text, ":", value);
}

/* Returns the end of the string that begins at @at, a quote: its closing quote; NULL: it has none.
 */
static const char *string_end(const char *at)
{
    for (at++; *at && *at != '"'; at++)
        if (*at == '\\' && !*++at)
            return NULL;
    return *at ? at : NULL;
}

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " \t\r\n");
}

bool json_find(const char *json, const char *name, char *value, size_t size)
{
    size_t len = strlen(name);
    unsigned depth = 0;

    for (const char *at = json, *end; *at; at++) {
        if (*at == '{' || *at == '[')
            depth++;
        if ((*at == '}' || *at == ']') && depth > 0)
            depth--;
        if (*at != '"')
            continue;
        end = string_end(at);
        if (!end)
            return false;
        if (depth == 1 && (size_t)(end - at) == len + 1 && memcmp(at + 1, name, len) == 0 &&
            *skip_blanks(end + 1) == ':') {
            at = skip_blanks(skip_blanks(end + 1) + 1);
            end = *at == '"' ? string_end(at) : NULL;
            if (!end || (size_t)(end - at) > size || memchr(at, '\\', (size_t)(end - at)))
                return false;
            memcpy(value, at + 1, (size_t)(end - at - 1));
            value[end - at - 1] = '\0';
            return true;
        }
        at = end;
    }
    return false;
}
