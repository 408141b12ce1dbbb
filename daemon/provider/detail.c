#include "provider/detail.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define UNBROKEN_MAX 40 /* longer than a word, shorter than a token */
#define REDACTED     "[...]"

static bool is_token_char(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("-._~+/=", c));
}

void detail_add(char detail[DETAIL_SIZE], const char *text)
{
    size_t n = strlen(detail);

    while (*text && n + sizeof(REDACTED) < DETAIL_SIZE) {
        size_t run = 0;

        while (is_token_char(text[run]))
            run++;
        if (run > UNBROKEN_MAX) {
            memcpy(detail + n, REDACTED, sizeof(REDACTED) - 1);
            n += sizeof(REDACTED) - 1;
            text += run;
            continue;
        }
        detail[n++] = *text >= 0x20 && *text < 0x7f ? *text : '?';
        text++;
        /* copies the rest of a short run at once: a part of it must not be measured again */
        for (; run > 1 && n + sizeof(REDACTED) < DETAIL_SIZE; run--)
            detail[n++] = *text++;
        if (run > 1)
            break;
    }
    detail[n] = '\0';
}

void detail_add_number(char detail[DETAIL_SIZE], const char *before, long number)
{
    char text[64];

    snprintf(text, sizeof(text), "%s%ld", before, number);
    detail_add(detail, text);
}
