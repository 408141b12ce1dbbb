#include "base/duration.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

static const struct unit {
    const char *name;
    uint64_t seconds;
} units[] = {
    {"", 1},         {"s", 1},       {"sec", 1},       {"second", 1},     {"seconds", 1},
    {"m", 60},       {"min", 60},    {"minute", 60},   {"minutes", 60},   {"h", 3600},
    {"hr", 3600},    {"hour", 3600}, {"hours", 3600},  {"d", 86400},      {"day", 86400},
    {"days", 86400}, {"w", 604800},  {"week", 604800}, {"weeks", 604800},
};

static int unit_find(const char *name, size_t len, uint64_t *ret_seconds)
{
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strlen(units[i].name) == len && memcmp(units[i].name, name, len) == 0) {
            *ret_seconds = units[i].seconds;
            return 0;
        }
    }
    return -EINVAL;
}

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " \t");
}

static int number_read(const char **at, uint64_t *ret_number)
{
    uint64_t number = 0;

    if (!isdigit((unsigned char)**at))
        return -EINVAL;
    for (; isdigit((unsigned char)**at); (*at)++)
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(**at - '0'), &number))
            return -EINVAL;
    *ret_number = number;
    return 0;
}

int duration_parse(const char *text, uint64_t *ret_seconds)
{
    const char *at = skip_blanks(text);
    uint64_t total = 0;

    do {
        uint64_t number, unit;
        size_t len;

        if (number_read(&at, &number) < 0)
            return -EINVAL;
        at = skip_blanks(at);
        len = strcspn(at, "0123456789 \t");
        if (unit_find(at, len, &unit) < 0 || __builtin_mul_overflow(number, unit, &number) ||
            __builtin_add_overflow(total, number, &total))
            return -EINVAL;
        at = skip_blanks(at + len);
    } while (*at);
    *ret_seconds = total;
    return 0;
}
