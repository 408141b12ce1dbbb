/*
 * Time spans as systemd.time(7) writes them: "30s", "15min", "1h 30min", "90". Options, environment
 * and configuration files use this grammar, so that a span means the same in all of them.
 *
 * A span is one or more parts, which are added up. A part is a decimal number and a unit: ms; s,
 * sec, second, seconds; m, min, minute, minutes; h, hr, hour, hours; d, day, days; w, week, weeks.
 * A number without a unit is in seconds. Blanks and tabs may stand before, between and after
 * numbers and units. Of systemd's grammar, fractions, months, years, microseconds and "infinity"
 * are left out.
 */
#ifndef TIME_SPAN_H
#define TIME_SPAN_H

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
