/* Secret memory: bounded, aligned, wiped, and excluded from core dumps and forked children. */
#include <sys/wait.h>

#include "base/log.h"
#include "base/secret.h"
#include "support/check.h"

static bool is_zero(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (bytes[i])
            return false;
    return true;
}

static void a_secret_is_zeroed_bounded_and_aligned(void **state)
{
    static const size_t sizes[] = {0,  1,  7,    8,    55,    56,    57,    63,
                                   64, 65, 1000, 4096, 16384, 65464, 131064};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        CLEANUP(secret_freep)
        struct secret *secret = secret_alloc(sizes[i]);

        assert_non_null(secret);
        assert_int_equal(secret->len, sizes[i]);
        assert_true(secret->capacity >= sizeof(*secret) + sizes[i]);
        assert_int_equal((uintptr_t)secret % 8, 0);
        assert_true(is_zero(secret->bytes, sizes[i]));
        memset(secret->bytes, 0xa5, sizes[i]);
    }
}

static void sizes_above_the_limit_are_refused(void **state)
{
    static const size_t sizes[] = {
        131065,       131072,        1 << 20,      UINT32_MAX, (size_t)UINT32_MAX + 1,
        SIZE_MAX / 2, SIZE_MAX - 64, SIZE_MAX - 8, SIZE_MAX,
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
        if (secret_alloc(sizes[i]))
            fail_msg("allocated: %zu", sizes[i]);
}

static void the_bytes_are_copied(void **state)
{
    CLEANUP(secret_freep)
    struct secret *secret = secret_new("a\0b", 3);
    CLEANUP(secret_freep)
    struct secret *empty = secret_new(NULL, 0);

    (void)state;
    assert_int_equal(secret->len, 3);
    assert_memory_equal(secret->bytes, "a\0b", 3);
    assert_non_null(empty);
    assert_int_equal(empty->len, 0);
}

static void a_freed_secret_is_wiped_and_reused(void **state)
{
    static const size_t sizes[] = {1, 40, 56, 100, 8192, 60000};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct secret *secret = secret_alloc(sizes[i]), *again;
        uint8_t *block = (uint8_t *)secret;
        size_t capacity = secret->capacity;

        memset(secret->bytes, 0xa5, capacity - sizeof(*secret));
        assert_null(secret_free(secret));
        assert_true(is_zero(block + sizeof(void *), capacity - sizeof(void *)));
        again = secret_alloc(sizes[i]);
        assert_ptr_equal(again, block);
        assert_int_equal(again->capacity, capacity);
        assert_true(is_zero(again->bytes, capacity - sizeof(*again)));
        secret_free(again);
    }
    assert_null(secret_free(NULL));
}

static void secrets_do_not_overlap(void **state)
{
    enum {
        N = 3000
    };
    struct secret **secrets = calloc(N, sizeof(*secrets));
    unsigned seed = 1;

    (void)state;
    for (int round = 0; round < 4; round++) {
        for (unsigned i = 0; i < N; i++) {
            size_t len = (seed = seed * 1103515245 + 12345) >> 16 & 0x7ff;

            if (secrets[i] && i % 3 != (unsigned)round % 3)
                continue;
            secret_free(secrets[i]);
            secrets[i] = secret_alloc(len);
            assert_non_null(secrets[i]);
            memset(secrets[i]->bytes, (int)(i & 0xff), len);
        }
        for (unsigned i = 0; i < N; i++)
            for (size_t at = 0; at < secrets[i]->len; at++)
                assert_int_equal(secrets[i]->bytes[at], i & 0xff);
    }
    for (unsigned i = 0; i < N; i++)
        secret_free(secrets[i]);
    free(secrets);
}

static void a_forked_child_sees_zeros(void **state)
{
    CLEANUP(secret_freep)
    struct secret *secret = secret_new("pul-secret", 10);
    int status;
    pid_t pid;

    (void)state;
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(is_zero((uint8_t *)secret, 64) ? 0 : 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_memory_equal(secret->bytes, "pul-secret", 10);
}

static void a_core_dump_has_no_secrets(void **state)
{
    CLEANUP(secret_freep)
    struct secret *secret = secret_new("x", 1);
    FILE *smaps = fopen("/proc/self/smaps", "re");
    bool is_mine = false, is_left_out = false;
    char line[512];

    (void)state;
    assert_non_null(smaps);
    while (fgets(line, sizeof(line), smaps)) {
        unsigned long from, to;

        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            is_mine = (uintptr_t)secret >= from && (uintptr_t)secret < to;
        else if (is_mine && strncmp(line, "VmFlags:", 8) == 0)
            is_left_out = strstr(line, " dd") != NULL && strstr(line, " wf") != NULL;
    }
    fclose(smaps);
    assert_true(is_left_out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_is_zeroed_bounded_and_aligned),
        cmocka_unit_test(sizes_above_the_limit_are_refused),
        cmocka_unit_test(the_bytes_are_copied),
        cmocka_unit_test(a_freed_secret_is_wiped_and_reused),
        cmocka_unit_test(secrets_do_not_overlap),
        cmocka_unit_test(a_forked_child_sees_zeros),
        cmocka_unit_test(a_core_dump_has_no_secrets),
    };

    log_init("test_secret", -1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
