/* Freed memory is wiped, whichever library frees it. The test reads freed memory. */
#include <malloc.h>
#include <openssl/crypto.h>

#include "support/check.h"

#define SECRET 0x5a
#define LINKS                                                                                      \
    (2 * sizeof(void *)) /* at the beginning of freed memory, libc links it with other blocks */

static void *openssl_malloc(size_t size)
{
    return OPENSSL_malloc(size);
}

static void openssl_free(void *memory)
{
    OPENSSL_free(memory);
}

static void *openssl_realloc(void *memory, size_t size)
{
    return OPENSSL_realloc(memory, size);
}

static void realloc_to_nothing(void *memory)
{
    assert_null(realloc(memory, 0)); /* NOLINT: glibc frees it */
}

static void realloc_to_more(void *memory)
{
    free(realloc(memory, malloc_usable_size(memory) * 2));
}

static void realloc_to_less(void *memory)
{
    free(realloc(memory, malloc_usable_size(memory) / 3));
}

static void openssl_realloc_to_more(void *memory)
{
    openssl_free(openssl_realloc(memory, malloc_usable_size(memory) * 2));
}

/* Through a volatile pointer, so that the compiler keeps what it would take for dead stores. */
static void *(*volatile fill)(void *, int, size_t) = memset;

static void freed_memory_is_wiped(void **state)
{
    static const struct {
        const char *what;
        void *(*allocate)(size_t size);
        void (*free)(void *memory);
    } ways[] = {
        {"free()", malloc, free},
        {"realloc() to 0", malloc, realloc_to_nothing},
        {"realloc() to more", malloc, realloc_to_more},
        {"realloc() to less", malloc, realloc_to_less},
        {"OpenSSL", openssl_malloc, openssl_free},
        {"OpenSSL, grown", openssl_malloc, openssl_realloc_to_more},
    };
    static const size_t sizes[] = {24, 100, 500, 1000, 1100, 5000, 20000, 100000};

    (void)state;
#ifdef HAS_SANITIZER
    skip_because("a sanitizer has a free() of its own");
#endif
    for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
        for (size_t j = 0; j < ARRAY_SIZE(sizes); j++) {
            uint8_t *memory = ways[i].allocate(sizes[j]);
            void *neighbour =
                malloc(16); /* so that the block is not joined with the free memory after it */
            size_t usable = malloc_usable_size(memory);
            volatile const uint8_t *freed = memory;

            fill(memory, SECRET, usable);
            ways[i].free(memory);
            for (size_t at = LINKS; at < usable; at++)
                if (freed[at] == SECRET)
                    fail_msg("%s left byte %zu of %zu", ways[i].what, at, usable);
            free(neighbour);
        }
}

static void growing_memory_keeps_its_bytes(void **state)
{
    char *memory = realloc(NULL, 10);

    (void)state;
    memcpy(memory, "012345678", 10);
    for (size_t size = 10; size < 1000000; size = size * 3 / 2) {
        memory = realloc(memory, size);
        assert_string_equal(memory, "012345678");
    }
    memory = realloc(memory, 10); /* smaller again */
    assert_string_equal(memory, "012345678");
    free(memory);
    free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(freed_memory_is_wiped),
        cmocka_unit_test(growing_memory_keeps_its_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
