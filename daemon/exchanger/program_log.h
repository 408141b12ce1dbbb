/* What programs write to standard error, as lines of the log. */
#ifndef EXCHANGER_PROGRAM_LOG_H
#define EXCHANGER_PROGRAM_LOG_H

#include <stddef.h>

/* What may not appear in the log. */
struct program_secret {
    const void *bytes;
    size_t len;
};

/*
 * Logs the first lines of @text, @len bytes that the program of @command wrote: printable, cut, and
 * without what quotes one of the @n secrets, as detail_add() and detail_hide() have it.
 */
void program_log(const char *command, const void *text, size_t len,
                 const struct program_secret *secrets, size_t n);

#endif
