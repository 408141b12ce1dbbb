#include "time_span.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static const struct unit {
    const char *name;
    uint64_t ms;
} units[] = {
    {"", 1000},   {"ms", 1},      {"s", 1000},    {"sec", 1000},
    {"m", 60000}, {"min", 60000}, {"h", 3600000}, {"d", 86400000},
};

static uint64_t unit_find(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (strlen(units[i].name) == len && memcmp(units[i].name, name, len) == 0)
            return units[i].ms;
    return 0;
}

int time_span_parse(const char *text, uint64_t max_ms, uint64_t *ret_ms)
{
    uint64_t total = 0;

    do {
        size_t digits = strspn(text, "0123456789"), letters;
        uint64_t number = 0, unit;

        if (digits == 0 || digits > 12)
            return -EINVAL;
        for (size_t i = 0; i < digits; i++)
            number = number * 10 + (uint64_t)(text[i] - '0');
        text += digits;
        letters = strcspn(text, "0123456789 ");
        unit = unit_find(text, letters);
        if (!unit || number > max_ms / unit)
            return -EINVAL;
        total += number * unit;
        text += letters;
        text += strspn(text, " ");
    } while (*text);
    if (total > max_ms)
        return -EINVAL;
    *ret_ms = total;
    return 0;
}
