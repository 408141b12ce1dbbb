#include "exchanger/program_log.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "provider/detail.h"

#define LINES_MAX 16

static void log_program_line(const char *command, const char *line,
                             const struct program_secret *secrets, size_t n)
{
    char safe[DETAIL_SIZE] = "";

    detail_add(safe, line);
    for (size_t i = 0; i < n; i++)
        detail_hide(safe, secrets[i].bytes, secrets[i].len);
    log_notice("program %.*s: %s", (int)strcspn(command, " \t"), command, safe);
}

void program_log(const char *command, const void *text, size_t len,
                 const struct program_secret *secrets, size_t n)
{
    CLEANUP(freep) char *copy = strndup(text, len); /* ends at a NUL that it may have */
    char *rest, *line = copy ? strtok_r(copy, "\r\n", &rest) : NULL;

    for (int i = 0; line && i < LINES_MAX; i++, line = strtok_r(NULL, "\r\n", &rest))
        log_program_line(command, line, secrets, n);
    if (line)
        log_notice("program %.*s: more lines are not shown", (int)strcspn(command, " \t"), command);
}
