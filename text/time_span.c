/* Reads time spans: numbers, units, and their sum, without overflow. */
#include "text/time_span.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define DIGITS "0123456789"
#define BLANKS " \t"

static const struct unit {
    char name[8];
    uint32_t ms;
} units[] = {
    {"", 1000},         {"ms", 1},          {"s", 1000},         {"sec", 1000},
    {"second", 1000},   {"seconds", 1000},  {"m", 60000},        {"min", 60000},
    {"minute", 60000},  {"minutes", 60000}, {"h", 3600000},      {"hr", 3600000},
    {"hour", 3600000},  {"hours", 3600000}, {"d", 86400000},     {"day", 86400000},
    {"days", 86400000}, {"w", 604800000},   {"week", 604800000}, {"weeks", 604800000},
};

/* Returns 0 if there is no such unit. */
static uint32_t unit_find(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (strlen(units[i].name) == len && memcmp(units[i].name, name, len) == 0)
            return units[i].ms;
    return 0;
}

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, BLANKS);
}

/* Reads the digits at *@at and moves *@at past them. */
static int number_read(const char **at, uint64_t *ret_number)
{
    size_t len = strspn(*at, DIGITS);
    uint64_t number = 0;

    if (len == 0)
        return -EINVAL;
    for (; len > 0; len--, (*at)++)
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(**at - '0'), &number))
            return -EINVAL;
    *ret_number = number;
    return 0;
}

int time_span_parse(const char *text, uint64_t max_ms, uint64_t *ret_ms)
{
    const char *at = skip_blanks(text);
    uint64_t total = 0;

    do {
        uint64_t number;
        uint32_t unit;
        size_t len;

        if (number_read(&at, &number) < 0)
            return -EINVAL;
        at = skip_blanks(at);
        len = strcspn(at, DIGITS BLANKS);
        unit = unit_find(at, len);
        if (!unit || __builtin_mul_overflow(number, unit, &number) ||
            __builtin_add_overflow(total, number, &total))
            return -EINVAL;
        at = skip_blanks(at + len);
    } while (*at);
    if (total > max_ms)
        return -EINVAL;
    *ret_ms = total;
    return 0;
}
