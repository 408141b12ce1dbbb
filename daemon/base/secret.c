#include "base/secret.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/log.h"

#define CHUNK_SIZE ((size_t)1 << 20)
#define STEP       64   /* sizes are rounded up to this */
#define CLASSES    2048 /* so the largest secret is just under 128 KiB */

/* A freed block, in a list of blocks of the same size that the next secrets reuse. */
struct block {
    struct block *next;
};

static struct {
    struct block *freed[CLASSES + 1];
    uint8_t *at; /* the unused rest of the latest chunk */
    size_t left;
    bool is_unlocked;
} arena;

static int arena_grow(void)
{
    uint8_t *chunk =
        mmap(NULL, CHUNK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (chunk == MAP_FAILED)
        return -errno;
    if (madvise(chunk, CHUNK_SIZE, MADV_DONTDUMP) < 0 ||
        madvise(chunk, CHUNK_SIZE, MADV_WIPEONFORK) < 0) {
        munmap(chunk, CHUNK_SIZE);
        return -errno;
    }
    /* locks pages when they are first used, so that an idle daemon stays small */
    if (mlock2(chunk, CHUNK_SIZE, MLOCK_ONFAULT) < 0 && !arena.is_unlocked) {
        arena.is_unlocked = true;
        log_warning("cannot lock memory for tokens, so it may be swapped out: raise RLIMIT_MEMLOCK "
                    "(LimitMEMLOCK=)");
    }
    arena.at = chunk;
    arena.left = CHUNK_SIZE;
    return 0;
}

/*
 * Rounds @size up to one of few sizes. With many sizes, a freed block would rarely fit the next
 * secret, and a peer could make each size reach its own peak. The sizes are multiples of 64 bytes
 * up to 512, then eighths of a power of two up to 4096, then powers of two.
 */
static size_t capacity_of(size_t size)
{
    size_t power = STEP * 8, eighth;

    if (size <= power)
        return (size + STEP - 1) / STEP * STEP;
    while (power < size)
        power *= 2;
    eighth = power / 16; /* of the next lower power */
    if (power > 4096)
        return power;
    return power / 2 + (size - power / 2 + eighth - 1) / eighth * eighth;
}

struct secret *secret_alloc(size_t len)
{
    struct secret *secret;
    size_t capacity;

    if (len > STEP * CLASSES - sizeof(struct secret))
        return NULL;
    capacity = capacity_of(sizeof(struct secret) + len);
    if (arena.freed[capacity / STEP]) {
        secret = (struct secret *)arena.freed[capacity / STEP];
        arena.freed[capacity / STEP] = arena.freed[capacity / STEP]->next;
        memset(secret, 0, sizeof(struct block)); /* secret_free() wiped the rest */
    } else {
        if (arena.left < capacity && arena_grow() < 0)
            return NULL;
        secret = (struct secret *)arena.at;
        arena.at += capacity;
        arena.left -= capacity;
    }
    secret->len = (uint32_t)len;
    secret->capacity = (uint32_t)capacity;
    return secret;
}

struct secret *secret_new(const void *bytes, size_t len)
{
    struct secret *secret = secret_alloc(len);

    if (secret && len)
        memcpy(secret->bytes, bytes, len);
    return secret;
}

struct secret *secret_free(struct secret *secret)
{
    struct block *block = (struct block *)secret;
    size_t capacity;

    if (!secret)
        return NULL;
    capacity = secret->capacity;
    /* an overrun of the preceding block overwrites this header */
    assert(capacity >= STEP && capacity <= STEP * CLASSES && capacity % STEP == 0);
    explicit_bzero(secret, capacity);
    block->next = arena.freed[capacity / STEP];
    arena.freed[capacity / STEP] = block;
    return NULL;
}

void process_harden(void)
{
    const struct rlimit none = {0};
    bool fails = setrlimit(RLIMIT_CORE, &none) < 0;

    fails |= prctl(PR_SET_DUMPABLE, 0) < 0; /* each of them helps without the other */
    if (fails)
        log_warning("cannot disable core dumps: %s; a crash may write tokens to the disk",
                    strerror(errno));
}
