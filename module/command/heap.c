/*
 * Memory is taken from the arena in the order in which it is asked for. heap_free() gives it back
 * if it is the last of it, and all of it when nothing is in use. What does not fit has a mapping of
 * its own. So a command that runs for long needs the arena and what it has in use, no more. One
 * thread uses it.
 */
#include "command/heap.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct block {
    _Alignas(max_align_t) size_t size; /* with this header */
    _Alignas(max_align_t) uint8_t bytes[];
};

/*
 * The first use of a page costs as much as some system calls. A common symbol comes after all other
 * variables, so the first blocks share their page with those of libc.
 */
__attribute__((common)) struct heap {
    size_t used;
    size_t written; /* at most: the bytes that follow are zero */
    size_t n_blocks;
    _Alignas(struct block) uint8_t arena[HEAP_ARENA_SIZE];
} heap;

static struct block *block_of(void *memory)
{
    return (struct block *)((uint8_t *)memory - offsetof(struct block, bytes));
}

static bool is_in_arena(const struct block *block)
{
    return (uintptr_t)block - (uintptr_t)heap.arena < HEAP_ARENA_SIZE;
}

/* A page that was never written costs nothing, so no zero is written to one. */
static struct block *take(size_t size)
{
    struct block *block = (struct block *)(heap.arena + heap.used);
    size_t end = heap.used + size;

    if (heap.written > heap.used)
        memset(block, 0, (end < heap.written ? end : heap.written) - heap.used);
    if (heap.written < end)
        heap.written = end;
    heap.used = end;
    heap.n_blocks++;
    return block;
}

static void give_back(struct block *block)
{
    if ((uint8_t *)block + block->size == heap.arena + heap.used)
        heap.used -= block->size;
    if (--heap.n_blocks == 0)
        heap.used = 0;
    block->size = 0;
}

void *heap_new(size_t size)
{
    const size_t alignment = _Alignof(struct block);
    struct block *block;

    if (size > PTRDIFF_MAX - 2 * sizeof(*block)) {
        errno = ENOMEM;
        return NULL;
    }
    size = (sizeof(*block) + size + alignment - 1) & -alignment;
    if (size <= HEAP_ARENA_SIZE - heap.used)
        block = take(size);
    else
        block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED)
        return NULL;
    block->size = size;
    return block->bytes;
}

void *heap_resize(void *old, size_t size)
{
    size_t old_size = old ? block_of(old)->size - sizeof(struct block) : 0;
    void *new = heap_new(size);

    if (!new)
        return NULL;
    if (old)
        memcpy(new, old, old_size < size ? old_size : size);
    heap_free(old);
    return new;
}

void heap_free(void *memory)
{
    struct block *block;

    if (!memory)
        return;
    block = block_of(memory);
    if (!is_in_arena(block)) {
        munmap(block, block->size);
        return;
    }
    if (block->size == 0) /* it was freed before */
        abort();
    give_back(block);
}
