/* Tables on standard output that fit the terminal. */
#ifndef CTL_TABLE_H
#define CTL_TABLE_H

#include <stddef.h>

#define TABLE_COLUMNS 8

struct table {
    size_t n_columns, n_cells;
    char **cells; /* owned; row by row, the titles first */
};

/* Begins a table with these titles; NULL ends them. */
void table_begin(struct table *table, const char *const titles[]);

/* Adds a cell, row by row; copied. NULL or "": a dash. */
void table_add(struct table *table, const char *cell);
void table_add_number(struct table *table, long long number);

/* Adds a span of time: "3h 12min", "45s". Negative: a dash. */
void table_add_span(struct table *table, double seconds);

/*
 * Prints the table, if it has rows, and frees it. On a terminal, the longest column is cut so that
 * lines fit.
 */
void table_end(struct table *table);

/* Writes a span of time as table_add_span() does. */
#define SPAN_SIZE 32
const char *span_text(double seconds, char buffer[SPAN_SIZE]);

#endif
