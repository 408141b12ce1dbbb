/*
 * Memory in the stand-in: owners release what they hold at the end of their scope, and running out
 * of memory ends the program. Nothing is tested by a stand-in that limps on without memory.
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

/* A jansson call that fails only for want of memory, as all do once their input was checked. */
void must_json(int result);

void *must_alloc(size_t bytes);
void *must_resize(void *old, size_t bytes);
char *must_copy(const char *text);
char *must_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
