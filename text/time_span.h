/*
 * Time spans as in systemd.time(7): "30s", "15min", "1h 30min", "90". Options, environment
 * variables and configuration files use this grammar, so a span means the same in all of them.
 *
 * A span is a sum of one or more parts. A part is a decimal number and a unit: ms; s,
 * sec, second, seconds; m, min, minute, minutes; h, hr, hour, hours; d, day, days; w, week, weeks.
 * A number without a unit is in seconds. Blanks and tabs are allowed before, between and after
 * numbers and units. Unlike in systemd, fractions, months, years, microseconds and "infinity" are
 * not supported.
 */
#ifndef TEXT_TIME_SPAN_H
#define TEXT_TIME_SPAN_H

#include <stdint.h>

/*
 * Reads @text, a C string, as milliseconds.
 *
 * @max_ms: the greatest span that is accepted.
 * @ret_ms: set on success only.
 *
 * Returns 0, or -EINVAL: no number, an unknown unit, or more than @max_ms.
 */
int time_span_parse(const char *text, uint64_t max_ms, uint64_t *ret_ms);

#endif
