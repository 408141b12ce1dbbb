/* Time spans as systemd writes them (systemd.time(7)): "30s", "15min", "1h 30min", "90". */
#ifndef DURATION_H
#define DURATION_H

#include <stdint.h>

/* Whole seconds. 0, or -EINVAL: no number, an unknown unit, or too large. */
int duration_parse(const char *text, uint64_t *ret_seconds);

#endif
