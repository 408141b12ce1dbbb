/* A rate with a burst: which requests pass, and the delay for the others. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/token_bucket.h"
#include "support/check.h"

#define MSEC UINT64_C(1000)

static const struct rate_limit ten_a_second = {.per_s = 10, .burst = 3};

static void a_burst_passes_at_once_and_the_next_request_waits_an_interval(void **state)
{
    static const struct {
        const char *name;
        struct rate_limit limit;
        uint64_t interval_usec;
    } rows[] = {
        {"one a second, one at once", {1, 1}, SECOND_USEC},
        {"ten a second, three at once", {10, 3}, 100 * MSEC},
        {"fifty a second, a hundred at once", {50, 100}, 20 * MSEC},
        {"three a second: not a whole number of microseconds", {3, 2}, 333333},
        {"a million a second", {1000000, 5}, 1},
        {"more than one per microsecond", {UINT32_MAX, 5}, 1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct token_bucket bucket = {0};
        uint64_t now_usec = 1000 * SECOND_USEC;

        for (uint32_t n = 0; n < rows[i].limit.burst; n++)
            if (token_bucket_reserve(&bucket, &rows[i].limit, now_usec))
                fail_msg("%s: request %u must wait", rows[i].name, n);
        for (uint64_t n = 1; n <= 3; n++) /* each reserves the turn after the previous one */
            if (token_bucket_reserve(&bucket, &rows[i].limit, now_usec) !=
                n * rows[i].interval_usec)
                fail_msg("%s: request %u after the burst", rows[i].name, (unsigned)n);
    }
}

static void without_a_rate_nothing_waits(void **state)
{
    static const struct rate_limit none = {.per_s = 0, .burst = 1};
    struct token_bucket bucket = {0};

    (void)state;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(token_bucket_reserve(&bucket, &none, 5), 0);
    token_bucket_refund(&bucket, &none);
    assert_int_equal(token_bucket_try(&bucket, &none, 5), 0);
    assert_int_equal(bucket.reserved_until_usec, 0);
}

static void a_try_that_must_wait_reserves_nothing(void **state)
{
    struct token_bucket bucket = {0};

    (void)state;
    for (uint32_t n = 0; n < ten_a_second.burst; n++)
        assert_int_equal(token_bucket_try(&bucket, &ten_a_second, SECOND_USEC), 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(token_bucket_try(&bucket, &ten_a_second, SECOND_USEC), 100 * MSEC);
    assert_int_equal(token_bucket_try(&bucket, &ten_a_second, SECOND_USEC + 99 * MSEC), MSEC);
    assert_int_equal(token_bucket_try(&bucket, &ten_a_second, SECOND_USEC + 100 * MSEC), 0);
}

static void a_refunded_turn_goes_to_the_next_request(void **state)
{
    struct token_bucket bucket = {0};

    (void)state;
    for (uint32_t n = 0; n < ten_a_second.burst; n++)
        token_bucket_reserve(&bucket, &ten_a_second, SECOND_USEC);
    assert_int_equal(token_bucket_reserve(&bucket, &ten_a_second, SECOND_USEC), 100 * MSEC);
    assert_int_equal(token_bucket_reserve(&bucket, &ten_a_second, SECOND_USEC), 200 * MSEC);
    token_bucket_refund(&bucket, &ten_a_second);
    assert_int_equal(token_bucket_reserve(&bucket, &ten_a_second, SECOND_USEC), 200 * MSEC);
}

static void a_pause_allows_one_burst_however_long_it_is(void **state)
{
    (void)state;
    for (uint64_t pause_usec = SECOND_USEC; pause_usec < 1000000 * SECOND_USEC; pause_usec *= 10) {
        struct token_bucket bucket = {0};

        for (int i = 0; i < 10; i++)
            token_bucket_reserve(&bucket, &ten_a_second, SECOND_USEC);
        for (uint32_t n = 0; n < ten_a_second.burst; n++)
            assert_int_equal(token_bucket_try(&bucket, &ten_a_second, 2 * SECOND_USEC + pause_usec),
                             0);
        assert_int_not_equal(token_bucket_try(&bucket, &ten_a_second, 2 * SECOND_USEC + pause_usec),
                             0);
    }
}

/*
 * Random arrivals: between any two requests that pass, no more pass than the burst and the rate
 * allow.
 */
static void no_interval_exceeds_the_burst_and_the_rate(void **state)
{
    static uint64_t passed_usec[5000];
    struct token_bucket bucket = {0};
    uint64_t now_usec = 0, interval_usec = 100 * MSEC;
    size_t n = 0;

    (void)state;
    srandom(1);
    for (size_t i = 0; i < 10 * ARRAY_SIZE(passed_usec) && n < ARRAY_SIZE(passed_usec); i++) {
        now_usec += (uint64_t)random() % (random() % 50 ? 60 * MSEC : SECOND_USEC);
        if (!token_bucket_try(&bucket, &ten_a_second, now_usec))
            passed_usec[n++] = now_usec;
    }
    assert_int_equal(n, ARRAY_SIZE(passed_usec));
    for (size_t first = 0; first < n; first++)
        for (size_t last = first; last < n && last < first + 50; last++)
            assert_true(last - first + 1 <=
                        ten_a_second.burst +
                            (passed_usec[last] - passed_usec[first]) / interval_usec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_passes_at_once_and_the_next_request_waits_an_interval),
        cmocka_unit_test(without_a_rate_nothing_waits),
        cmocka_unit_test(a_try_that_must_wait_reserves_nothing),
        cmocka_unit_test(a_refunded_turn_goes_to_the_next_request),
        cmocka_unit_test(a_pause_allows_one_burst_however_long_it_is),
        cmocka_unit_test(no_interval_exceeds_the_burst_and_the_rate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
