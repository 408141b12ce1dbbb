#include "standin/pulumi/wildcard.h"

#include <string.h>

#include "standin/memory.h"

/* Returns the length of the UTF-8 character at @text; jansson has checked that it is valid. */
static size_t character_bytes(const char *text)
{
    unsigned char first = (unsigned char)*text;
    size_t bytes = first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

    return strnlen(text, bytes);
}

/*
 * A set of positions in the pattern: one of them has to match the rest of the text with the rest of
 * the pattern. Following all positions at once avoids exponential time for `*?*?*?`.
 */
static void set_add(bool *set, const char *pattern, size_t at)
{
    set[at] = true;
    while (pattern[at] == '*' || pattern[at] == '?') /* these may match nothing */
        set[++at] = true;
}

static void set_step(const bool *now, bool *next, const char *pattern, const char *character)
{
    size_t bytes = character_bytes(character);

    for (size_t at = 0; pattern[at]; at++) {
        if (!now[at])
            continue;
        if (pattern[at] == '*')
            set_add(next, pattern, at);
        else if (pattern[at] == '?' || pattern[at] == '.')
            set_add(next, pattern, at + 1);
        else if (strncmp(pattern + at, character, bytes) == 0)
            set_add(next, pattern, at + bytes);
    }
}

bool wildcard_matches(const char *pattern, const char *text)
{
    size_t end = strlen(pattern);
    CLEANUP(freep) bool *now = must_alloc(end + 1);
    CLEANUP(freep) bool *next = must_alloc(end + 1);

    set_add(now, pattern, 0);
    for (; *text; text += character_bytes(text)) {
        bool *previous = now;

        memset(next, 0, end + 1);
        set_step(now, next, pattern, text);
        now = next;
        next = previous;
    }
    return now[end];
}
