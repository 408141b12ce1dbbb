#include "standin/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void *must(void *pointer)
{
    if (!pointer) {
        fputs("podlogin-standin: out of memory, or unexpected failure of a library\n", stderr);
        abort();
    }
    return pointer;
}

void must_json(int result)
{
    if (result != 0)
        must(NULL);
}

void *must_alloc(size_t bytes)
{
    return must(calloc(1, bytes));
}

void *must_resize(void *old, size_t bytes)
{
    return must(realloc(old, bytes));
}

char *must_copy(const char *text)
{
    return must(strdup(text));
}

char *must_print(const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    int printed;

    va_start(arguments, format);
    printed = vasprintf(&text, format, arguments);
    va_end(arguments);
    return must(printed < 0 ? NULL : text);
}
