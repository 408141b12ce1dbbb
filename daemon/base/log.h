/*
 * The log: one event, one line, on standard error. If that is connected to the journal, each line
 * begins with "<N>", from which journald takes the level; otherwise with the program's name and
 * pid.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <syslog.h>

/*
 * Sets the prefix of lines and the highest level that is logged (syslog(3)). Detects the
 * journal by $JOURNAL_STREAM.
 *
 * @program: not copied.
 */
void log_init(const char *program, int max_level);

/*
 * Logs a line in the manner of printf(3), truncated to 1023 bytes, with control characters replaced
 * by '?'. Keeps errno.
 */
__attribute__((format(printf, 2, 3))) void log_line(int level, const char *format, ...);

/* A field of a structured journal entry. */
struct log_field {
    const char *name;  /* "PODLOGIN_SERVICE" */
    const char *label; /* its name in the line: "service" */
    const char *value; /* may be untrusted; NULL: the field is left out */
};

/*
 * Logs a line "@what label=value ...". With the journal, sends it there as an entry with the
 * fields. Never blocks: a line that cannot be written at once is dropped. Keeps errno.
 *
 * Returns false if the line was dropped or @level is not logged.
 */
bool log_fields(int level, const char *what, const struct log_field *fields, size_t n);

#define log_error(...)   log_line(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_notice(...)  log_line(LOG_NOTICE, __VA_ARGS__)
#define log_info(...)    log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...)   log_line(LOG_DEBUG, __VA_ARGS__)

#endif
