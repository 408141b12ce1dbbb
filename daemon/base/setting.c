#include "base/setting.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/url.h"
#include "text/time_span.h"

#define NAME_MAX_LENGTH 256

const char *setting_expects_text(const char *value)
{
    (void)value;
    return NULL;
}

const char *setting_expects_path(const char *value)
{
    return !*value || *value == '/' ? NULL : "a path that begins with /";
}

const char *setting_expects_url(const char *value)
{
    return !*value || url_is_https(value) ? NULL : "an https:// URL without query or fragment";
}

const char *setting_expects_name(const char *value)
{
    size_t len = strlen(value);

    for (size_t i = 0; i < len; i++)
        if (value[i] <= 0x20 || value[i] >= 0x7f || len > NAME_MAX_LENGTH)
            return "a name of at most 256 visible ASCII characters";
    return NULL;
}

int setting_seconds(const char *value, uint64_t min_s, uint64_t max_s, uint64_t *ret_s)
{
    uint64_t ms;

    if (time_span_parse(value, max_s * 1000, &ms) < 0 || ms % 1000 != 0 || ms / 1000 < min_s)
        return -EINVAL;
    *ret_s = ms / 1000;
    return 0;
}

const char *setting_word(const char **at, size_t *ret_len)
{
    const char *word = *at + strspn(*at, " \t");

    *ret_len = strcspn(word, " \t");
    *at = word + *ret_len;
    return *ret_len ? word : NULL;
}

int setting_wrong(char *ret_error, size_t size, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(ret_error, size, format, args);
    va_end(args);
    return -EINVAL;
}
