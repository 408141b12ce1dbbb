/* Times of answers. */
#include "base/rfc3339.h"

#include <errno.h>

#include "support/check.h"

static void times_in_utc_are_read(void **state)
{
    static const struct {
        const char *text;
        int64_t expected_s;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-08-21T11:00:00Z", 1787310000},
        {"2026-08-21T11:00:00.999999999Z", 1787310000},
        {"2028-02-29T23:59:59Z", 1835481599},
        {"2106-02-07T06:28:16Z", 4294967296},
        {"9999-12-31T23:59:59Z", 253402300799},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int64_t time_s = -1;

        assert_int_equal(rfc3339_read(cases[i].text, &time_s), 0);
        assert_int_equal(time_s, cases[i].expected_s);
    }
}

static void all_else_is_refused(void **state)
{
    static const char *const cases[] = {
        "",
        "Z",
        "1787310000",
        "2026-08-21",
        "2026-08-21T11:00:00",
        "2026-08-21 11:00:00Z",
        "2026-08-21T11:00:00z",
        "2026-08-21T11:00:00+02:00",
        "2026-08-21T11:00:00Z ",
        " 2026-08-21T11:00:00Z",
        "2026-8-21T11:00:00Z",
        "2026-08-21T11:00Z",
        "2026-02-29T11:00:00Z",
        "2026-04-31T11:00:00Z",
        "2026-13-01T11:00:00Z",
        "2026-00-01T11:00:00Z",
        "2026-08-00T11:00:00Z",
        "2026-08-21T24:00:00Z",
        "2026-08-21T11:60:00Z",
        "-026-08-21T11:00:00Z",
        "2026-08-21T+1:00:00Z",
        "2026-08-21T11:00:00.5",
        "2026-08-21T11:00:00.5x",
        "20260-8-21T11:00:00Z",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int64_t time_s = -1;

        if (rfc3339_read(cases[i], &time_s) != -EINVAL || time_s != -1)
            fail_msg("\"%s\"", cases[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_in_utc_are_read),
        cmocka_unit_test(all_else_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
