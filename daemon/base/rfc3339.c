#include "base/rfc3339.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define FORM "dddd-dd-ddTdd:dd:dd" /* strptime() also takes blanks, signs and fewer digits */

static const char *skip_form(const char *text)
{
    for (const char *form = FORM; *form; form++, text++)
        if (*form == 'd' ? *text < '0' || *text > '9' : *text != *form)
            return NULL;
    return text;
}

int rfc3339_read(const char *text, int64_t *ret_time_s)
{
    const char *rest = skip_form(text);
    struct tm tm = {0};
    int day;
    time_t time_s;

    if (rest && *rest == '.')
        rest += 1 + strspn(rest + 1, "0123456789");
    if (!rest || strcmp(rest, "Z") != 0 || !strptime(text, "%Y-%m-%dT%H:%M:%S", &tm))
        return -EINVAL;
    day = tm.tm_mday;
    time_s = timegm(&tm);
    if (tm.tm_mday != day) /* 31 April became 1 May */
        return -EINVAL;
    *ret_time_s = time_s;
    return 0;
}
