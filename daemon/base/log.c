#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *program_name = "podlogind";
static int highest_level = LOG_INFO;
static bool is_journal;

void log_init(const char *program, int max_level)
{
    program_name = program;
    highest_level = max_level;
    is_journal = getenv("JOURNAL_STREAM") != NULL;
}

/* A peer's text must not be able to forge a line. */
static void escape(char *line)
{
    for (; *line; line++)
        if ((unsigned char)*line < 0x20 || *line == 0x7f)
            *line = '?';
}

void log_line(int level, const char *format, ...)
{
    char text[1024], line[1152];
    int saved = errno, len;
    va_list args;

    if (level > highest_level)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    escape(text);
    if (is_journal)
        len = snprintf(line, sizeof(line), "<%d>%s\n", level, text);
    else
        len = snprintf(line, sizeof(line), "%s[%d]: %s\n", program_name, (int)getpid(), text);
    /* one write, so that lines of the two processes do not mix; a lost line changes nothing */
    if (write(STDERR_FILENO, line, (size_t)len) < 0)
        errno = saved;
    errno = saved;
}
