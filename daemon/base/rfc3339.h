/* Times as servers write them. text/text.h has the opposite. */
#ifndef BASE_RFC3339_H
#define BASE_RFC3339_H

#include <stdint.h>

/*
 * Reads a time in UTC, such as "2026-08-21T11:00:00Z" (RFC 3339, section 5.6). Fractions of a
 * second are cut off.
 *
 * @ret_time_s: Unix time; set on success only.
 *
 * Returns 0, or -EINVAL: not a time of this form, or a day that does not exist.
 */
int rfc3339_read(const char *text, int64_t *ret_time_s);

#endif
