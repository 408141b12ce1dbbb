/*
 * Memory for bytes that must not leak: tokens, JWTs, keys.
 *
 * All secrets of a process are in one arena that is excluded from core dumps, is wiped in forked
 * children, and is locked in memory as far as RLIMIT_MEMLOCK allows. A secret has a length and is
 * not a C string, so that no format can print it by accident. It is wiped when it is freed. The
 * arena is not thread-safe.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct secret {
    uint32_t len;
    uint32_t capacity; /* bytes of the arena, including this header */
    uint8_t bytes[];
};

/*
 * Returns a zeroed secret of @len bytes, which the caller fills and frees; or NULL if memory runs
 * out or @len is 128 KiB or more.
 */
struct secret *secret_alloc(size_t len);

/* Returns a copy of @len bytes, which the caller frees; or NULL as secret_alloc(). */
struct secret *secret_new(const void *bytes, size_t len);

/* Wipes and frees @secret, which may be NULL. Returns NULL. */
struct secret *secret_free(struct secret *secret);

DEFINE_CLEANUP(struct secret *, secret_free)

/*
 * Disables core dumps, and ptrace(2) and /proc/PID/mem by other processes of the same user. If the
 * system refuses that, says so in the log.
 */
void process_harden(void);

#endif
