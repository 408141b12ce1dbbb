/* One event, one line, on standard error; journald takes the level from the <N> in front. */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <syslog.h>

void log_init(const char *program, int max_level);

__attribute__((format(printf, 2, 3))) void log_line(int level, const char *format, ...);

/* A field of its own in the journal. */
struct log_field {
    const char *name;  /* "PODLOGIN_SERVICE" */
    const char *label; /* "service", in the line */
    const char *value; /* NULL: left out; may be a peer's text */
};

/*
 * A line "@what label=value ...", with fields where the journal listens. Never waits: without room
 * for it the line is lost. False then, and if @level is not logged.
 */
bool log_fields(int level, const char *what, const struct log_field *fields, size_t n);

#define log_error(...)   log_line(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_notice(...)  log_line(LOG_NOTICE, __VA_ARGS__)
#define log_info(...)    log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...)   log_line(LOG_DEBUG, __VA_ARGS__)

#endif
