/* Failures are remembered for the requested time, and only a few of them. */
#include "base/clock.h"
#include "base/failure.h"
#include "support/check.h"

#define FIRST (5 * SECOND_USEC)
#define MOST  (60 * SECOND_USEC)
#define START (1000 * SECOND_USEC)

static struct failures failures;

static struct digest key_number(size_t n)
{
    struct digest key = {{0}};

    key.bytes[DIGEST_SIZE - 1] = (uint8_t)n; /* keys differ in their last byte only */
    return key;
}

static void add(size_t n, const char *detail, uint64_t now_usec)
{
    struct digest key = key_number(n);

    failures_add(&failures, &key, detail, FIRST, MOST, now_usec);
}

static const char *find(size_t n, uint64_t now_usec)
{
    struct digest key = key_number(n);
    const struct failure *failure = failures_find(&failures, &key, now_usec);

    return failure ? failure->detail : NULL;
}

static int clear(void **state)
{
    (void)state;
    failures_clear(&failures);
    assert_int_equal(failures.n, 0);
    return 0;
}

static void an_empty_list_has_no_failures(void **state)
{
    struct failures none = {0};
    struct digest key = key_number(1);

    (void)state;
    assert_null(failures_find(&none, &key, 0));
    failures_clear(&none);
    assert_null(failures_find(&none, &key, 0));
}

static void a_failure_applies_until_its_time_is_over_and_to_its_key_only(void **state)
{
    (void)state;
    add(1, "no", START);
    assert_string_equal(find(1, START), "no");
    assert_string_equal(find(1, START + FIRST - 1), "no");
    assert_null(find(1, START + FIRST));
    assert_null(find(2, START));
    assert_int_equal(failures.n, 1);
}

static void the_time_doubles_with_each_failure_up_to_the_limit(void **state)
{
    static const uint64_t expected_s[] = {5, 10, 20, 40, 60, 60, 60};
    uint64_t now_usec = START;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(expected_s); i++) {
        char detail[16];

        snprintf(detail, sizeof(detail), "no %zu", i);
        add(1, detail, now_usec);
        add(2 + i, "another one", now_usec); /* the first failure of this key */
        assert_null(find(2 + i, now_usec + FIRST));
        now_usec += expected_s[i] * SECOND_USEC;
        assert_string_equal(find(1, now_usec - 1), detail);
        assert_null(find(1, now_usec));
    }
}

static void a_first_time_over_the_limit_is_reduced_to_it(void **state)
{
    struct digest key = key_number(1);

    (void)state;
    failures_add(&failures, &key, "no", MOST + 1, MOST, START);
    assert_non_null(find(1, START + MOST - 1));
    assert_null(find(1, START + MOST));
}

/* The latest failure of a key counts: when key 0 fails again, it becomes the newest. */
static void the_oldest_failure_is_replaced(void **state)
{
    size_t by_age[3 * FAILURES_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(by_age); i++)
        by_age[i] = i < FAILURES_MAX - 1 ? i + 1 : i == FAILURES_MAX - 1 ? 0 : i;
    add(0, "no", START);
    for (size_t n = 1; n <= ARRAY_SIZE(by_age); n++) {
        add(by_age[n - 1], "no", START);
        for (size_t i = n < FAILURES_MAX ? FAILURES_MAX : 0; i < n; i++)
            assert_true(!find(by_age[i], START) == (i + FAILURES_MAX < n));
        assert_in_range(failures.n, 1, FAILURES_MAX);
    }
}

static void clearing_the_list_resets_the_doubling(void **state)
{
    (void)state;
    add(1, "no", START);
    add(1, "no", START);
    add(2, "no", START);
    failures_clear(&failures);
    assert_int_equal(failures.n, 0);
    assert_null(find(1, START));
    add(1, "no", START);
    assert_non_null(find(1, START + FIRST - 1));
    assert_null(find(1, START + FIRST));
}

static void a_long_detail_is_truncated(void **state)
{
    char detail[2 * FAILURE_DETAIL_MAX];

    (void)state;
    memset(detail, 'x', sizeof(detail) - 1);
    detail[sizeof(detail) - 1] = '\0';
    add(1, detail, START);
    assert_int_equal(strlen(find(1, START)), FAILURE_DETAIL_MAX - 1);
}

#define TEST(name) cmocka_unit_test_teardown(name, clear)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_list_has_no_failures),
        TEST(a_failure_applies_until_its_time_is_over_and_to_its_key_only),
        TEST(the_time_doubles_with_each_failure_up_to_the_limit),
        TEST(a_first_time_over_the_limit_is_reduced_to_it),
        TEST(the_oldest_failure_is_replaced),
        TEST(clearing_the_list_resets_the_doubling),
        TEST(a_long_detail_is_truncated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
