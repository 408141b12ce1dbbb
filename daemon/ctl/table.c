#include "ctl/table.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define GAP 2 /* blanks between columns */

void table_begin(struct table *table, const char *const titles[])
{
    *table = (struct table){0};
    while (titles[table->n_columns])
        table->n_columns++;
    for (size_t i = 0; i < table->n_columns; i++)
        table_add(table, titles[i]);
}

void table_add(struct table *table, const char *cell)
{
    char **cells = realloc(table->cells, (table->n_cells + 1) * sizeof(*cells));

    if (!cells)
        abort(); /* a command that lists something; nothing is lost */
    table->cells = cells;
    cells[table->n_cells] = strdup(cell && *cell ? cell : "-");
    if (!cells[table->n_cells])
        abort();
    for (char *at = cells[table->n_cells++]; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = '?'; /* text of a pod must not control the terminal */
}

void table_add_number(struct table *table, long long number)
{
    char text[32];

    snprintf(text, sizeof(text), "%lld", number);
    table_add(table, text);
}

const char *span_text(double seconds, char buffer[SPAN_SIZE])
{
    unsigned long long s = seconds > 0 ? (unsigned long long)seconds : 0;

    if (seconds < 0)
        buffer[0] = '\0';
    else if (s < 60)
        snprintf(buffer, SPAN_SIZE, "%llus", s);
    else if (s < 3600)
        snprintf(buffer, SPAN_SIZE, "%llumin %llus", s / 60, s % 60);
    else if (s < 86400)
        snprintf(buffer, SPAN_SIZE, "%lluh %llumin", s / 3600, s % 3600 / 60);
    else
        snprintf(buffer, SPAN_SIZE, "%llud %lluh", s / 86400, s % 86400 / 3600);
    return buffer;
}

void table_add_span(struct table *table, double seconds)
{
    char buffer[SPAN_SIZE];

    table_add(table, span_text(seconds, buffer));
}

/* Returns 0 if standard output is no terminal. */
static size_t terminal_width(void)
{
    struct winsize size;

    return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/* Shortens the widest column until the line fits, but no column below its title. */
static void fit(const struct table *table, size_t widths[TABLE_COLUMNS])
{
    size_t width = terminal_width(), total = (table->n_columns - 1) * GAP, widest = 0;

    for (size_t i = 0; i < table->n_columns; i++) {
        total += widths[i];
        if (widths[i] > widths[widest])
            widest = i;
    }
    if (width && total > width) {
        size_t least = strlen(table->cells[widest]), over = total - width;

        widths[widest] = widths[widest] > over + least ? widths[widest] - over : least;
    }
}

void table_end(struct table *table)
{
    size_t widths[TABLE_COLUMNS] = {0};

    for (size_t i = 0; i < table->n_cells; i++) {
        size_t len = strlen(table->cells[i]);

        if (len > widths[i % table->n_columns])
            widths[i % table->n_columns] = len;
    }
    fit(table, widths);
    for (size_t i = 0; i < table->n_cells; i++) {
        size_t column = i % table->n_columns;
        bool is_last = column + 1 == table->n_columns;

        if (table->n_cells > table->n_columns)
            printf("%-*.*s%s", is_last ? 0 : (int)(widths[column] + GAP), (int)widths[column],
                   table->cells[i], is_last ? "\n" : "");
        free(table->cells[i]);
    }
    if (table->n_cells > table->n_columns)
        putchar('\n');
    free(table->cells);
    *table = (struct table){0};
}
