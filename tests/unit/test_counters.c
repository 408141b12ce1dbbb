/* Each counter has a valid Prometheus name, of a known metric, and no two have the same labels. */
#include "base/counters.h"

#include "support/check.h"

static void each_counter_has_a_unique_name(void **state)
{
    static const char *const metrics[] = {
        "podlogin_refresh_failures_total",
        "podlogin_rejected_total",
        "podlogin_store_errors_total",
        "podlogin_clock_steps_total",
    };

    (void)state;
    for (enum counter i = 0; i < COUNTERS; i++) {
        const struct counter_info *info = counter_info(i);
        bool is_known = false;

        assert_non_null(info->metric);
        assert_non_null(info->labels);
        for (size_t j = 0; j < ARRAY_SIZE(metrics); j++)
            is_known = is_known || strcmp(metrics[j], info->metric) == 0;
        if (!is_known)
            fail_msg("%d: %s", i, info->metric);
        for (enum counter j = 0; j < i; j++)
            if (strcmp(counter_info(j)->metric, info->metric) == 0 &&
                strcmp(counter_info(j)->labels, info->labels) == 0)
                fail_msg("%d and %d: %s{%s}", i, j, info->metric, info->labels);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_counter_has_a_unique_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
