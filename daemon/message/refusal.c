#include "message/refusal.h"

#include <stdarg.h>
#include <stdio.h>

/* What comes from tokens and servers may hold anything, and may be cut within a character. */
static void make_printable(char *text)
{
    for (; *text; text++)
        if (*text < 0x20 || *text >= 0x7f)
            *text = '?';
}

enum podlogin_status refusal_set(struct refusal *refusal, enum podlogin_status status,
                                 const char *format, ...)
{
    va_list args;

    refusal_set_status(refusal, status);
    va_start(args, format);
    vsnprintf(refusal->detail, sizeof(refusal->detail), format, args);
    va_end(args);
    make_printable(refusal->detail);
    return status;
}

enum podlogin_status refusal_set_status(struct refusal *refusal, enum podlogin_status status)
{
    refusal->status = status;
    refusal->retry_after_ms = 0;
    refusal->detail[0] = '\0';
    return status;
}
