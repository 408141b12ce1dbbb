#include "exchanger/head.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define LINE_MAX_SIZE 1024

/* Returns the value if the line has this name, which includes the colon; or NULL. */
static const char *value_of(const char *line, const char *name)
{
    size_t len = strlen(name);

    return strncasecmp(line, name, len) == 0 ? line + len + strspn(line + len, " \t") : NULL;
}

/* Returns whether @text begins with a number; one above @most counts as @most. */
static bool number_read(const char *text, uint64_t most, uint64_t *ret_number)
{
    uint64_t number = 0;

    if (!isdigit((unsigned char)*text))
        return false;
    for (; isdigit((unsigned char)*text); text++) {
        number = number * 10 + (uint64_t)(*text - '0');
        if (number > most)
            number = most;
    }
    *ret_number = number;
    return true;
}

/* RFC 9111, section 5.2.2.1. The first max-age counts; a number in quotes is valid. */
static void cache_control_read(struct head *head, const char *value)
{
    uint64_t seconds;

    while (*value) {
        const char *directive = value + strspn(value, " \t,");
        const char *argument = directive + strlen("max-age=");

        if (strncasecmp(directive, "max-age=", strlen("max-age=")) == 0 &&
            number_read(argument + (*argument == '"'), HEAD_MAX_AGE_MAX, &seconds)) {
            head->max_age_s = (uint32_t)seconds;
            return;
        }
        value = directive + strcspn(directive, ",");
    }
}

static bool length_read(struct head *head, const char *value)
{
    uint64_t length;

    if (!number_read(value, UINT32_MAX, &length))
        return true; /* libcurl refuses it */
    if (head->has_length && head->length != length)
        return false;
    head->has_length = true;
    head->length = length;
    return true;
}

/* RFC 9110, section 5.6.7: the format that servers must send. The locale of the process is "C". */
static void date_read(struct head *head, const char *value)
{
    struct tm tm = {0};
    const char *end = strptime(value, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    time_t date_s = end && !*end ? timegm(&tm) : 0;

    if (date_s > 0)
        head->date_s = date_s;
}

bool head_read(struct head *head, const char *line, size_t len)
{
    char text[LINE_MAX_SIZE];
    const char *value;

    if (len >= sizeof(text))
        return true;
    memcpy(text, line, len);
    text[len] = '\0';
    text[strcspn(text, "\r\n")] = '\0';
    if (strncmp(text, "HTTP/", 5) == 0)
        *head = (struct head){0};
    else if ((value = value_of(text, "Cache-Control:")))
        cache_control_read(head, value);
    else if ((value = value_of(text, "Date:")))
        date_read(head, value);
    else if ((value = value_of(text, "Content-Length:")))
        return length_read(head, value);
    return true;
}
