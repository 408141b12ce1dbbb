/* One event, one line, on standard error; journald takes the level from the <N> in front. */
#ifndef LOG_H
#define LOG_H

#include <syslog.h>

void log_init(const char *program, int max_level);

__attribute__((format(printf, 2, 3))) void log_line(int level, const char *format, ...);

#define log_error(...)   log_line(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_notice(...)  log_line(LOG_NOTICE, __VA_ARGS__)
#define log_info(...)    log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...)   log_line(LOG_DEBUG, __VA_ARGS__)

#endif
