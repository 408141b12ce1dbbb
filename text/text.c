/* Appends to buffers of a fixed size, and writes strings to descriptors. */
#include "text/text.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct text text_in(char *buffer, size_t size)
{
    buffer[0] = '\0';
    return (struct text){.at = buffer, .left = size};
}

void text_add_bytes(struct text *text, const void *bytes, size_t len)
{
    if (len >= text->left)
        len = text->left - 1;
    if (len)
        memcpy(text->at, bytes, len);
    text->at += len;
    text->left -= len;
    *text->at = '\0';
}

void text_add(struct text *text, ...)
{
    const char *string;
    va_list strings;

    va_start(strings, text);
    while ((string = va_arg(strings, const char *)))
        text_add_bytes(text, string, strlen(string));
    va_end(strings);
}

bool text_is_visible(const void *bytes, size_t len)
{
    for (const uint8_t *at = bytes; len > 0; at++, len--)
        if (*at <= ' ' || *at > '~')
            return false;
    return true;
}

const char *number_text(uint64_t number, char buffer[NUMBER_SIZE])
{
    char *at = buffer + NUMBER_SIZE - 1;

    *at = '\0';
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    return memmove(buffer, at, (size_t)(buffer + NUMBER_SIZE - at));
}

static void add_digits(struct text *text, int64_t number, unsigned width, const char *after)
{
    char buffer[NUMBER_SIZE];
    const char *digits = number_text((uint64_t)number, buffer);

    for (size_t len = strlen(digits); len < width; len++)
        text_add(text, "0", NULL);
    text_add(text, digits, after, NULL);
}

const char *time_text(int64_t time_s, char buffer[TIME_SIZE])
{
    struct text text = text_in(buffer, TIME_SIZE);
    time_t seconds = (time_t)time_s;
    struct tm parts;

    if (!gmtime_r(&seconds, &parts) || parts.tm_year < 0)
        return buffer;
    add_digits(&text, (int64_t)parts.tm_year + 1900, 4, "-");
    add_digits(&text, parts.tm_mon + 1, 2, "-");
    add_digits(&text, parts.tm_mday, 2, "T");
    add_digits(&text, parts.tm_hour, 2, ":");
    add_digits(&text, parts.tm_min, 2, ":");
    add_digits(&text, parts.tm_sec, 2, "Z");
    return buffer;
}

static int write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);

        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

int output(int fd, ...)
{
    const char *string;
    va_list strings;
    int r = 0;

    va_start(strings, fd);
    while (r == 0 && (string = va_arg(strings, const char *)))
        r = write_all(fd, string, strlen(string));
    va_end(strings);
    return r;
}
