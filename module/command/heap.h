/* The memory of the static command: in place of musl's malloc(), by command/malloc.c. */
#ifndef COMMAND_HEAP_H
#define COMMAND_HEAP_H

#include <stddef.h>

#define HEAP_ARENA_SIZE (128 * 1024)

/* Returns @size bytes that are zero, aligned for any type, or NULL with errno. */
void *heap_new(size_t size);

/* Returns a copy of @old with @size bytes, and frees @old, or leaves it and returns NULL with
 * errno. */
void *heap_resize(void *old, size_t size);

/* Frees what heap_new() has returned; NULL is allowed. */
void heap_free(void *memory);

#endif
