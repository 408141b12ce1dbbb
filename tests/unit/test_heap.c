/* The heap of the static command: memory is zero and aligned, and a command that runs for long does
 * not grow. */
#include <errno.h>

#include "command/heap.h"
#include "support/check.h"

static void assert_is_zero(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        assert_int_equal(bytes[i], 0);
}

static uint8_t *new_dirty(size_t size)
{
    uint8_t *bytes = heap_new(size);

    assert_non_null(bytes);
    assert_int_equal((uintptr_t)bytes % _Alignof(max_align_t), 0);
    assert_is_zero(bytes, size);
    memset(bytes, 0xa5, size);
    return bytes;
}

static void memory_is_zero_and_aligned_each_time(void **state)
{
    static const size_t sizes[] = {
        0, 1, 15, 16, 17, 1000, 40000, HEAP_ARENA_SIZE - 64, HEAP_ARENA_SIZE, 3 * HEAP_ARENA_SIZE};

    (void)state;
    for (size_t round = 0; round < 3; round++)
        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
            for (size_t k = 0; k < ARRAY_SIZE(sizes); k++) {
                uint8_t *first = new_dirty(sizes[i]), *second = new_dirty(sizes[k]);

                heap_free(round == 1 ? first : second); /* in both orders */
                heap_free(round == 1 ? second : first);
            }
}

static void blocks_do_not_overlap(void **state)
{
    uint8_t *blocks[200];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(blocks); i++) {
        blocks[i] = new_dirty(1000);
        memset(blocks[i], (int)i, 1000);
        if (i % 7 == 6) {
            heap_free(blocks[i - 3]);
            blocks[i - 3] = new_dirty(1000);
            memset(blocks[i - 3], (int)i - 3, 1000);
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(blocks); i++)
        for (size_t k = 0; k < 1000; k++)
            assert_int_equal(blocks[i][k], i);
    for (size_t i = 0; i < ARRAY_SIZE(blocks); i++)
        heap_free(blocks[i]);
}

static void resizing_keeps_what_fits(void **state)
{
    uint8_t *bytes = heap_resize(NULL, 10);

    (void)state;
    assert_is_zero(bytes, 10);
    memset(bytes, 1, 10);
    bytes = heap_resize(bytes, 2 * HEAP_ARENA_SIZE);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(bytes[i], 1);
    assert_is_zero(bytes + 10, HEAP_ARENA_SIZE);
    bytes = heap_resize(bytes, 5);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(bytes[i], 1);
    heap_free(bytes);
}

static void what_no_machine_has_is_refused(void **state)
{
    uint8_t *bytes = new_dirty(1);

    (void)state;
    for (size_t shift = 0; shift < 16; shift++) {
        errno = 0;
        assert_null(heap_new(SIZE_MAX >> shift));
        assert_int_equal(errno, ENOMEM);
        assert_null(heap_resize(bytes, SIZE_MAX >> shift));
    }
    assert_int_equal(*bytes, 0xa5);
    heap_free(bytes);
    heap_free(NULL);
}

/* Pages of this process that are in memory. */
static long pages(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    long size, resident;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%ld %ld", &size, &resident), 2);
    fclose(file);
    return size;
}

/* As of 'podlogin login --keep-fresh': a handle stays, and each token comes before the last one
 * goes. */
static void memory_does_not_grow(void **state)
{
    uint8_t *handle = new_dirty(42000), *token = new_dirty(3000);
    long before = 0;

    (void)state;
    for (size_t i = 0; i < 20000; i++) {
        uint8_t *next = new_dirty(2000 + i % 3000);

        heap_free(token);
        token = next;
        heap_free(heap_resize(new_dirty(i % 500), 1000)); /* as setenv() does */
        if (i == 1000)
            before = pages();
    }
    assert_int_equal(pages(), before);
    heap_free(token);
    heap_free(handle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zero_and_aligned_each_time),
        cmocka_unit_test(blocks_do_not_overlap),
        cmocka_unit_test(resizing_keeps_what_fits),
        cmocka_unit_test(what_no_machine_has_is_refused),
        cmocka_unit_test(memory_does_not_grow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
