/* Failures are remembered for as long as they were asked to be, and no more than a few of them. */
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

    key.bytes[DIGEST_SIZE - 1] = (uint8_t)n; /* no two differ before the last byte */
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

static void a_list_that_never_had_one_has_none(void **state)
{
    struct failures none = {0};
    struct digest key = key_number(1);

    (void)state;
    assert_null(failures_find(&none, &key, 0));
    failures_clear(&none);
    assert_null(failures_find(&none, &key, 0));
}

static void one_counts_until_its_time_is_over_and_for_its_key_alone(void **state)
{
    (void)state;
    add(1, "no", START);
    assert_string_equal(find(1, START), "no");
    assert_string_equal(find(1, START + FIRST - 1), "no");
    assert_null(find(1, START + FIRST));
    assert_null(find(2, START));
    assert_int_equal(failures.n, 1);
}

static void each_time_it_is_remembered_for_twice_as_long_up_to_the_most(void **state)
{
    static const uint64_t expected_s[] = {5, 10, 20, 40, 60, 60, 60};
    uint64_t now_usec = START;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(expected_s); i++) {
        char detail[16];

        snprintf(detail, sizeof(detail), "no %zu", i);
        add(1, detail, now_usec);
        add(2 + i, "another one", now_usec); /* which has failed for the first time */
        assert_null(find(2 + i, now_usec + FIRST));
        now_usec += expected_s[i] * SECOND_USEC;
        assert_string_equal(find(1, now_usec - 1), detail);
        assert_null(find(1, now_usec));
    }
}

static void a_first_time_longer_than_the_most_is_cut(void **state)
{
    struct digest key = key_number(1);

    (void)state;
    failures_add(&failures, &key, "no", MOST + 1, MOST, START);
    assert_non_null(find(1, START + MOST - 1));
    assert_null(find(1, START + MOST));
}

/* By when they came last: that number 0 fails again makes it the newest. */
static void the_oldest_makes_room(void **state)
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

static void a_cleared_list_has_forgotten_how_often(void **state)
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

static void a_long_detail_is_cut(void **state)
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
        TEST(a_list_that_never_had_one_has_none),
        TEST(one_counts_until_its_time_is_over_and_for_its_key_alone),
        TEST(each_time_it_is_remembered_for_twice_as_long_up_to_the_most),
        TEST(a_first_time_longer_than_the_most_is_cut),
        TEST(the_oldest_makes_room),
        TEST(a_cleared_list_has_forgotten_how_often),
        TEST(a_long_detail_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
