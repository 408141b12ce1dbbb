/* Counts belong to the service that they were made for, however many services there are. */
#include <stdio.h>

#include "base/service_counters.h"
#include "support/check.h"

#define SERVICES 70

static void count_all(void)
{
    char name[32];

    for (int i = 0; i < SERVICES; i++) {
        snprintf(name, sizeof(name), "service-%d", i);
        count_request(name, REQUEST_OK);
    }
}

static void services_beyond_the_limit_are_counted_together_as_others(void **state)
{
    const struct service_counters *all;
    size_t n;

    (void)state;
    count_all();
    count_all();
    all = service_counters(&n);
    assert_int_equal(n, SERVICE_COUNTERS_MAX);
    for (size_t i = 0; i + 1 < n; i++)
        assert_int_equal(all[i].requests[REQUEST_OK], 2);
    assert_string_equal(all[0].name, "service-0");
    assert_string_equal(all[n - 2].name, "service-62");
    assert_string_equal(all[n - 1].name, "(others)");
    assert_int_equal(all[n - 1].requests[REQUEST_OK], 2 * (SERVICES - SERVICE_COUNTERS_MAX + 1));
}

static void durations_are_in_the_bucket_that_ends_with_them(void **state)
{
    const struct service_counters *all;
    uint64_t sum_usec = 0;
    size_t n;

    (void)state;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        count_served("service-0", true, histogram_bounds_usec[i]);
        count_served("service-0", true, histogram_bounds_usec[i] + 1);
        sum_usec += 2 * (uint64_t)histogram_bounds_usec[i] + 1;
    }
    all = service_counters(&n);
    assert_int_equal(all[0].hit.n[0], 1);
    for (size_t i = 1; i < HISTOGRAM_BUCKETS; i++)
        assert_int_equal(all[0].hit.n[i], 2);
    assert_int_equal(all[0].hit.n[HISTOGRAM_BUCKETS], 1);
    assert_int_equal(all[0].hit.sum_usec, sum_usec);
    assert_int_equal(all[0].hits, 2 * HISTOGRAM_BUCKETS);
    assert_int_equal(all[0].miss.sum_usec, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(services_beyond_the_limit_are_counted_together_as_others),
        cmocka_unit_test(durations_are_in_the_bucket_that_ends_with_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
