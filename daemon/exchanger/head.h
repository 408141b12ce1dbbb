/* The lines of an answer's head that matter here; libcurl reads the others. */
#ifndef EXCHANGER_HEAD_H
#define EXCHANGER_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEAD_MAX_AGE_MAX INT32_MAX /* RFC 9111, section 1.2.2, for numbers that are too large */

struct head {
    uint32_t max_age_s; /* of Cache-Control; 0: none, or not valid */
    bool has_length;
    uint64_t length; /* with has_length */
    int64_t date_s;  /* of Date, in Unix time; 0: none, or not valid */
};

/*
 * Reads one line of a head, including those of an interim answer: a status line begins a new head.
 *
 * @line: @len bytes, without a NUL.
 *
 * Returns false if the line contradicts an earlier one: another Content-Length.
 */
bool head_read(struct head *head, const char *line, size_t len);

#endif
