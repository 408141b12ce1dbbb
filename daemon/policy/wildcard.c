#include "policy/wildcard.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define INVALID UINT32_MAX

/* The wildcards of a pattern that is matched like a text, in the place of code points. */
enum {
    ANY_ONE = 0x110000, /* `.` */
    ANY_OR_NONE,        /* `?` */
    ANY_NUMBER,         /* `*` */
};

/* Returns the next code point and moves *@at past it; or INVALID, without moving. */
static uint32_t utf8_next(const char **at)
{
    const unsigned char *byte = (const unsigned char *)*at;
    unsigned n_more = *byte < 0x80 ? 0 : *byte >= 0xf0 ? 3 : *byte >= 0xe0 ? 2 : 1;
    uint32_t code_point = n_more ? *byte & (0x3fu >> n_more) : *byte;

    if ((*byte >= 0x80 && *byte < 0xc2) || *byte > 0xf4)
        return INVALID;
    /* no overlong forms, surrogates, or code points above U+10FFFF (RFC 3629, section 4) */
    if ((*byte == 0xe0 && byte[1] < 0xa0) || (*byte == 0xed && byte[1] >= 0xa0) ||
        (*byte == 0xf0 && byte[1] < 0x90) || (*byte == 0xf4 && byte[1] >= 0x90))
        return INVALID;
    for (unsigned i = 1; i <= n_more; i++) {
        if ((byte[i] & 0xc0) != 0x80)
            return INVALID;
        code_point = code_point << 6 | (byte[i] & 0x3f);
    }
    *at += 1 + n_more;
    return code_point;
}

int wildcard_init(struct wildcard *wildcard, const char *text)
{
    CLEANUP(freep)
    uint32_t *code_points = calloc(strlen(text) + 1, sizeof(*code_points));
    CLEANUP(freep)
    char *copy = strdup(text);
    const char *at = text;
    size_t n = 0;

    if (!code_points || !copy)
        return -ENOMEM;
    while (*at) {
        code_points[n] = utf8_next(&at);
        if (code_points[n++] == INVALID)
            return -EINVAL;
        if (n > WILDCARD_MAX)
            return -E2BIG;
    }
    *wildcard = (struct wildcard){
        .text = TAKE_PTR(copy),
        .code_points = TAKE_PTR(code_points),
        .n = n,
        .is_literal = strpbrk(text, "*?.") == NULL,
    };
    return 0;
}

void wildcard_done(struct wildcard *wildcard)
{
    free(wildcard->text);
    free(wildcard->code_points);
    *wildcard = (struct wildcard){0};
}

/* Adds the positions that are reachable without a character: `*` and `?` can be skipped. */
static void pass_optional(const struct wildcard *wildcard, bool *at)
{
    for (size_t i = 0; i < wildcard->n; i++)
        if (at[i] && (wildcard->code_points[i] == '*' || wildcard->code_points[i] == '?'))
            at[i + 1] = true;
}

/* Computes the positions after the character or wildcard @c. Returns false if there is none. */
static bool step(const struct wildcard *wildcard, uint32_t c, const bool *at, bool *next)
{
    bool is_alive = false;

    memset(next, 0, wildcard->n + 1);
    for (size_t i = 0; i < wildcard->n; i++) {
        uint32_t expected = wildcard->code_points[i];

        if (!at[i])
            continue;
        if (expected == '*')
            next[i] = is_alive = true;
        else if (expected == '?'   ? c <= ANY_OR_NONE
                 : expected == '.' ? c <= ANY_ONE
                                   : expected == c)
            next[i + 1] = is_alive = true;
    }
    pass_optional(wildcard, next);
    return is_alive;
}

bool wildcard_matches(const struct wildcard *wildcard, const char *text)
{
    bool at[2][WILDCARD_MAX + 1];
    unsigned now = 0;

    if (wildcard->is_literal)
        return strcmp(wildcard->text, text) == 0;
    memset(at[0], 0, wildcard->n + 1);
    at[0][0] = true;
    pass_optional(wildcard, at[0]);
    while (*text) {
        uint32_t c = utf8_next(&text);

        if (c == INVALID || !step(wildcard, c, at[now], at[!now]))
            return false;
        now = !now;
    }
    return at[now][wildcard->n];
}

static uint32_t symbol_of(uint32_t code_point)
{
    switch (code_point) {
    case '.':
        return ANY_ONE;
    case '?':
        return ANY_OR_NONE;
    case '*':
        return ANY_NUMBER;
    default:
        return code_point;
    }
}

bool wildcard_covers(const struct wildcard *outer, const struct wildcard *inner)
{
    bool at[2][WILDCARD_MAX + 1];
    unsigned now = 0;

    memset(at[0], 0, outer->n + 1);
    at[0][0] = true;
    pass_optional(outer, at[0]);
    for (size_t i = 0; i < inner->n; i++) {
        if (!step(outer, symbol_of(inner->code_points[i]), at[now], at[!now]))
            return false;
        now = !now;
    }
    return at[now][outer->n];
}
