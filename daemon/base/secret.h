/*
 * Bytes that must not leak: tokens, JWTs, keys.
 *
 * All secrets of a process live in one arena that is left out of core dumps, wiped in a fork, and
 * locked in memory as far as RLIMIT_MEMLOCK goes. A secret has a length and is no C string, so that
 * no format prints one by accident. It is wiped when it is released. Not for use by several
 * threads.
 */
#ifndef SECRET_H
#define SECRET_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct secret {
    uint32_t len;
    uint32_t capacity; /* bytes reserved for it in the arena, this header included */
    uint8_t bytes[];
};

/* Zeroed, to be filled by the caller. NULL: out of memory. */
struct secret *secret_alloc(size_t len);

struct secret *secret_new(const void *bytes, size_t len);

struct secret *secret_free(struct secret *secret);

DEFINE_CLEANUP(struct secret *, secret_free)

/*
 * Make jansson, or OpenSSL, wipe what they free. First thing in main(): OpenSSL refuses it once it
 * has allocated memory. Returns 0 or -errno.
 */
int secret_guard_libraries(void);
int secret_guard_openssl(void);

/* The same for any library that takes such functions. */
void *wiping_malloc(size_t size);
void *wiping_calloc(size_t n, size_t size);
void *wiping_realloc(void *memory, size_t size);
char *wiping_strdup(const char *string);
void wiping_free(void *memory);

/* No core dump, no ptrace by others of the same uid, no /proc/PID/mem for them. 0 or -errno. */
int process_harden(void);

#endif
