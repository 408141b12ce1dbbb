#include "standin/aws/xml.h"

#include <string.h>

#include "standin/memory.h"

static const char *reference_of(char character)
{
    switch (character) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&apos;";
    default:
        return NULL;
    }
}

/* The bytes of a character that XML 1.0, section 2.2, forbids, also as a reference; else 0. */
static size_t forbidden_bytes(const char *text)
{
    if (strncmp(text, "\xef\xbf\xbe", 3) == 0 || strncmp(text, "\xef\xbf\xbf", 3) == 0)
        return 3;
    return (unsigned char)*text < ' ' && !strchr("\t\n\r", *text) ? 1 : 0;
}

char *xml_escape(const char *text)
{
    char *escaped = must_alloc(strlen(text) * strlen("&quot;") + 1);
    char *out = escaped;

    while (*text) {
        const char *reference = reference_of(*text);
        size_t forbidden = forbidden_bytes(text);

        if (forbidden > 0)
            *out++ = '?';
        else if (reference)
            out = stpcpy(out, reference);
        else
            *out++ = *text;
        text += forbidden > 0 ? forbidden : 1;
    }
    return escaped;
}
