#include "standin/aws/xml.h"

#include <stdio.h>
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

char *xml_escape(const char *text)
{
    char *escaped = must_alloc(strlen(text) * strlen("&quot;") + 1);
    char *out = escaped;

    for (; *text; text++) {
        const char *reference = reference_of(*text);

        if (reference)
            out = stpcpy(out, reference);
        else
            *out++ = *text;
    }
    return escaped;
}
