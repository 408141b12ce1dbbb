/*
 * Any head of an answer, line by line: the age of keys is limited and comes from a Cache-Control of
 * this head, and two lengths are refused.
 */
#include "exchanger/head.h"
#include "fuzz/fuzz.h"

static bool has_word(const char *text, size_t len, const char *word)
{
    for (size_t i = 0; i + strlen(word) <= len; i++)
        if (strncasecmp(text + i, word, strlen(word)) == 0)
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *end = text + size;
    struct head head = {0};

    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        size_t len = newline ? (size_t)(newline + 1 - text) : (size_t)(end - text);
        const struct head before = head;
        bool begins = len >= 5 && memcmp(text, "HTTP/", 5) == 0;

        if (memchr(text, '\0', len)) /* libcurl refuses it */
            return 0;
        if (!head_read(&head, text, len))
            PROMISE(before.has_length && has_word(text, len, "content-length:"));
        PROMISE(head.max_age_s <= HEAD_MAX_AGE_MAX);
        if (head.max_age_s != before.max_age_s && !begins)
            PROMISE(has_word(text, len, "cache-control:") && has_word(text, len, "max-age="));
        if (head.date_s != before.date_s && !begins)
            PROMISE(has_word(text, len, "date:") && head.date_s > 0);
        if (before.has_length && !begins)
            PROMISE(head.has_length && head.length == before.length);
        text += len;
    }
    return 0;
}
