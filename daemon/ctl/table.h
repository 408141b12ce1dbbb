/* Tables on standard output that fit the terminal. */
#ifndef CTL_TABLE_H
#define CTL_TABLE_H

#include <jansson.h>

#define TABLE_COLUMNS_MAX 8

/* How a member of a JSON object is shown. One that is missing or null is a dash. */
enum column_kind {
    COLUMN_TEXT,
    COLUMN_NUMBER,
    COLUMN_SPAN,    /* a number of seconds: "3h 12min" */
    COLUMN_SINCE,   /* a Unix time: how long ago it was */
    COLUMN_UNTIL,   /* a Unix time: how long until then */
    COLUMN_RUNNING, /* a boolean: "running", "not running" */
};

struct column {
    const char *title; /* NULL at the end */
    const char *member;
    enum column_kind kind;
};

/*
 * Prints a row for each object of @objects, and an empty line after them; nothing if there are
 * none. On a terminal, the widest column is cut so that lines fit.
 */
void table_print(const json_t *objects, const struct column columns[]);

/* Writes a span of time, such as "3h 12min"; nothing if it is negative. Returns @buffer. */
#define SPAN_SIZE 32
const char *span_text(double seconds, char buffer[SPAN_SIZE]);

#endif
