/* Time spans of the command's options and environment. */
#include "support/check.h"
#include "time_span.h"

#define DAY_MS 86400000u

static void spans_are_read_in_milliseconds(void **state)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } cases[] = {
        {"0", 0},          {"90", 90000},         {"250ms", 250},         {"30s", 30000},
        {"30sec", 30000},  {"5m", 300000},        {"90min", 5400000},     {"2h", 7200000},
        {"1d", DAY_MS},    {"1h 30min", 5400000}, {"1h30min", 5400000},   {"1h  30min ", 5400000},
        {"1s500ms", 1500}, {"86400", DAY_MS},     {"000000000001", 1000},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(freep)
        char *exact = copy_of(cases[i].text, strlen(cases[i].text) + 1);
        uint64_t ms = 12345;

        if (time_span_parse(exact, DAY_MS, &ms) != 0 || ms != cases[i].ms)
            fail_msg("%s: not %llu ms", cases[i].text, (unsigned long long)cases[i].ms);
    }
}

static void anything_else_is_refused_and_leaves_the_result_alone(void **state)
{
    static const char *const cases[] = {
        "",
        " ",
        "s",
        "ms",
        " 1",
        "-1",
        "+1",
        "1.5s",
        "1,5s",
        "0x10",
        "1e3",
        "10 s",
        "1S",
        "1H",
        "1hour",
        "1w",
        "1y",
        "10us",
        "1s;",
        "1s\n",
        "1s\t2s",
        "1s s",
        "\xff",
        "1\xc2\xb5s",
        "86401",
        "86400001ms",
        "1d1ms",
        "1d 1",
        "23h 61min",
        "25h",
        "2d",
        "0000000000001",
        "213503982335d", /* 2^64 ms and nine hours */
        "999999999999d",
        "18446744073709551615",
        "18446744073709551616ms",
        "99999999999999999999999999",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(freep)
        char *exact = copy_of(cases[i], strlen(cases[i]) + 1);
        uint64_t ms = 12345;

        if (time_span_parse(exact, DAY_MS, &ms) != -EINVAL || ms != 12345)
            fail_msg("accepted: \"%s\"", cases[i]);
    }
}

static void the_limit_itself_is_accepted_and_one_more_is_not(void **state)
{
    uint64_t ms;

    (void)state;
    assert_int_equal(time_span_parse("60s", 60000, &ms), 0);
    assert_int_equal(ms, 60000);
    assert_int_equal(time_span_parse("60s 1ms", 60000, &ms), -EINVAL);
    assert_int_equal(time_span_parse("60001ms", 60000, &ms), -EINVAL);
    assert_int_equal(time_span_parse("1ms", 0, &ms), -EINVAL);
    assert_int_equal(time_span_parse("0", 0, &ms), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_are_read_in_milliseconds),
        cmocka_unit_test(anything_else_is_refused_and_leaves_the_result_alone),
        cmocka_unit_test(the_limit_itself_is_accepted_and_one_more_is_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
