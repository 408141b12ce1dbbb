#include "provider/detail.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define UNBROKEN_MAX 40 /* longer than a word, shorter than a token */
#define QUOTED_MIN   8  /* fewer characters of a secret may be a word by chance */
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

/*
 * Returns where in @text the longest quotation of @secret ends that begins with its first
 * character. *ret_n: how many characters of the secret it quotes.
 */
static size_t quotation_end(const char *text, const char *secret, size_t len, size_t *ret_n)
{
    size_t end = 0;

    *ret_n = 0;
    for (size_t from = 0; from < len; from++) {
        size_t at = 0, n = 0, after = 0;

        for (; text[at] && from + n < len; at++) {
            if (text[at] == secret[from + n]) {
                n++;
                after = at + 1;
            } else if (is_token_char(text[at])) {
                break;
            }
        }
        if (n > *ret_n) {
            *ret_n = n;
            end = after;
        }
    }
    return end;
}

void detail_hide(char detail[DETAIL_SIZE], const void *secret, size_t len)
{
    char hidden[DETAIL_SIZE];
    size_t to = 0;

    for (size_t at = 0; detail[at] && to + sizeof(REDACTED) < DETAIL_SIZE;) {
        size_t n = 0, end = 0;

        if (is_token_char(detail[at]))
            end = quotation_end(detail + at, secret, len, &n);
        if (n < QUOTED_MIN) {
            hidden[to++] = detail[at++];
            continue;
        }
        memcpy(hidden + to, REDACTED, sizeof(REDACTED) - 1);
        to += sizeof(REDACTED) - 1;
        at += end;
    }
    hidden[to] = '\0';
    memcpy(detail, hidden, to + 1);
}

void detail_add_number(char detail[DETAIL_SIZE], const char *before, long number)
{
    char text[64];

    snprintf(text, sizeof(text), "%s%ld", before, number);
    detail_add(detail, text);
}
