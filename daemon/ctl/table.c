#include "ctl/table.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define GAP      2 /* blanks between columns */
#define CELL_MAX 512

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

/* Writes what a cell shows; text of others must not control the terminal. */
static void cell_text(const json_t *object, const struct column *column, char ret_text[CELL_MAX])
{
    const json_t *value = json_object_get(object, column->member);
    double number = json_number_value(value);
    char span[SPAN_SIZE];

    if (json_is_string(value))
        snprintf(ret_text, CELL_MAX, "%s", json_string_value(value));
    else if (json_is_boolean(value))
        strcpy(ret_text, json_is_true(value) ? "running" : "not running");
    else if (!json_is_number(value))
        ret_text[0] = '\0';
    else if (column->kind == COLUMN_NUMBER)
        snprintf(ret_text, CELL_MAX, "%.0f", number);
    else
        strcpy(ret_text, span_text(column->kind == COLUMN_SINCE   ? (double)time(NULL) - number
                                   : column->kind == COLUMN_UNTIL ? number - (double)time(NULL)
                                                                  : number,
                                   span));
    if (!ret_text[0])
        strcpy(ret_text, "-");
    for (char *at = ret_text; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = '?';
}

/* Returns 0 if standard output is no terminal. */
static size_t terminal_width(void)
{
    struct winsize size;

    return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/* Shortens the widest column until the line fits, but not below its title. */
static void fit(const struct column columns[], size_t n, size_t widths[TABLE_COLUMNS_MAX])
{
    size_t width = terminal_width(), total, widest = 0;

    if (n == 0)
        return;
    total = (n - 1) * GAP;
    for (size_t i = 0; i < n; i++) {
        total += widths[i];
        if (widths[i] > widths[widest])
            widest = i;
    }
    if (width && total > width) {
        size_t least = strlen(columns[widest].title), over = total - width;

        widths[widest] = widths[widest] > over + least ? widths[widest] - over : least;
    }
}

static void print_cell(const char *text, size_t width, bool is_last)
{
    printf("%-*.*s%s", is_last ? 0 : (int)(width + GAP), (int)width, text, is_last ? "\n" : "");
}

void table_print(const json_t *objects, const struct column columns[])
{
    size_t widths[TABLE_COLUMNS_MAX] = {0}, n = 0, row;
    char text[CELL_MAX];
    const json_t *object;

    if (!json_array_size(objects))
        return;
    for (; columns[n].title; n++) {
        widths[n] = strlen(columns[n].title);
        json_array_foreach(objects, row, object)
        {
            cell_text(object, &columns[n], text);
            if (strlen(text) > widths[n])
                widths[n] = strlen(text);
        }
    }
    fit(columns, n, widths);
    for (size_t i = 0; i < n; i++)
        print_cell(columns[i].title, widths[i], i + 1 == n);
    json_array_foreach(objects, row, object)
    {
        for (size_t i = 0; i < n; i++) {
            cell_text(object, &columns[i], text);
            print_cell(text, widths[i], i + 1 == n);
        }
    }
    putchar('\n');
}
