/* The allocator of the static command. musl's is a tenth of it, and maps memory for each size. */
#include <errno.h>
#include <stdlib.h>

#include "command/heap.h"

void *malloc(size_t size)
{
    return heap_new(size);
}

void *calloc(size_t n, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(n, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return heap_new(bytes);
}

void *realloc(void *memory, size_t size)
{
    return heap_resize(memory, size);
}

void free(void *memory)
{
    heap_free(memory);
}
