/*
 * Replaces free() and realloc() for the whole process, libraries included: freed memory is wiped.
 *
 * OpenSSL, jansson, libcurl and libc copy tokens and JWTs into memory of their own. A program's
 * free() takes precedence over libc's for each of them, whichever library was loaded, or
 * initialized, first. Allocation functions that are installed in a library do not: OpenSSL refuses
 * them once it has allocated memory, which a constructor of another library may cause before
 * main().
 *
 * Not part of builds with sanitizers, which have a free() of their own.
 */
#include <dlfcn.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#define EXPORTED __attribute__((visibility("default")))

static void (*next_free)(void *memory);

/* Runs before the constructors of all libraries, and so before the first call of free(). */
static void find_next_free(void)
{
    *(void **)&next_free = dlsym(RTLD_NEXT, "free");
}

__attribute__((section(".preinit_array"),
               used)) static void (*const preinit)(void) = find_next_free;

EXPORTED void free(void *memory)
{
    if (!memory)
        return;
    explicit_bzero(memory, malloc_usable_size(memory));
    next_free(memory);
}

/* Copies instead of calling libc's realloc(), which may leave an unwiped copy of the old block. */
EXPORTED void *realloc(void *memory, size_t size)
{
    size_t old_size = memory ? malloc_usable_size(memory) : 0;
    void *moved;

    if (memory && !size) {
        free(memory);
        return NULL;
    }
    if (memory && size <= old_size && size >= old_size / 2)
        return memory;
    moved = malloc(size);
    if (moved && memory) {
        memcpy(moved, memory, old_size < size ? old_size : size);
        free(memory);
    }
    return moved;
}
