#include "base/setting.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/url.h"

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

int setting_wrong(char *ret_error, size_t size, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(ret_error, size, format, args);
    va_end(args);
    return -EINVAL;
}
