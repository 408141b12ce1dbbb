/*
 * Replaces malloc() and calloc() for the whole process, libraries included: if memory runs out, the
 * exchanger ends, and the broker sends its jobs to the next one. OpenSSL may never work again after
 * an allocation of it has failed (docs/decisions/0025). realloc() calls malloc(); see
 * base/wiping.c.
 *
 * Not part of builds with sanitizers, which have allocation functions of their own.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"

#define EXPORTED __attribute__((visibility("default")))

/* Returns @memory, or does not return. log_error() allocates nothing. */
static void *checked(void *memory)
{
    if (memory)
        return memory;
    log_error("out of memory");
    _exit(EXIT_FAILURE);
}

/* The first calls come from the dynamic linker and from constructors, before there are threads. */
EXPORTED void *malloc(size_t size)
{
    static void *(*next)(size_t size);

    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "malloc");
    return checked(next(size));
}

EXPORTED void *calloc(size_t n, size_t size)
{
    static void *(*next)(size_t n, size_t size);

    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "calloc");
    return checked(next(n, size));
}
