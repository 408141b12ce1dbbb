/*
 * Memory: CLEANUP releases what a local variable owns at the end of its scope, and a failed
 * allocation ends the program, because a stand-in without memory is of no use to a test.
 *
 * The macros are copies of those in daemon/base/cleanup.h; the stand-in shares no code with the
 * daemon.
 */
#ifndef STANDIN_MEMORY_H
#define STANDIN_MEMORY_H

#include <jansson.h>
#include <stddef.h>
#include <stdlib.h>

#define CLEANUP(function) __attribute__((cleanup(function)))

#define TAKE_PTR(pointer)                                                                          \
    __extension__({                                                                                \
        __typeof__(pointer) taken_ = (pointer);                                                    \
        (pointer) = NULL;                                                                          \
        taken_;                                                                                    \
    })

/* Defines NAMEp() for CLEANUP from a function that releases a pointer. */
#define DEFINE_CLEANUP(type, free_function)                                                        \
    static inline void free_function##p(type *pointer)                                             \
    {                                                                                              \
        if (*pointer)                                                                              \
            free_function(*pointer);                                                               \
    }

static inline void freep(void *pointer)
{
    free(*(void **)pointer);
}

/* Returns @pointer, or ends the program when it is NULL. */
void *must(void *pointer);

/* For calls of jansson with checked input, which fail only when memory runs out. */
void must_json(int result);

void *must_alloc(size_t bytes);
void *must_resize(void *old, size_t bytes);
char *must_copy(const char *text);
char *must_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
