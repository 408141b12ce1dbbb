/* Included by every unit test: cmocka and a few helpers. */
#ifndef CHECK_H
#define CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* Returns a copy of exactly @len bytes, so that a sanitizer detects a read of one byte more. */
static inline void *copy_of(const void *bytes, size_t len)
{
    void *copy = malloc(len ? len : 1);

    assert_non_null(copy);
    memcpy(copy, bytes, len);
    return copy;
}

/* Skips the test case. tests/summary.py counts it, and prints the reason. */
#define skip_because(reason)                                                                       \
    do {                                                                                           \
        print_message("skipped '%s'\n", reason);                                                   \
        skip();                                                                                    \
    } while (0)

#endif
