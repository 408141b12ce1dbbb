/* Time spans of options and environment: a number and s, m, min, h or d, perhaps several. */
#ifndef TIME_SPAN_H
#define TIME_SPAN_H

#include <stdint.h>

/* Milliseconds; "90" alone is seconds, "ms" is understood. 0, or -EINVAL (also past @max_ms). */
int time_span_parse(const char *text, uint64_t max_ms, uint64_t *ret_ms);

#endif
