/* Time spans of options, environment and configuration files: one grammar for all of them. */
#include "support/check.h"
#include "text/time_span.h"

#define S   UINT64_C(1000)
#define MIN (60 * S)
#define H   (60 * MIN)
#define D   (24 * H)
#define W   (7 * D)

static void spans_are_read_as_systemd_reads_them(void **state)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } cases[] = {
        {"0", 0},
        {"90", 90 * S},
        {"86400", D},
        {"250ms", 250},
        {"5ms", 5},
        {"30s", 30 * S},
        {"30 s", 30 * S},
        {"10 s", 10 * S},
        {"30sec", 30 * S},
        {"1second", S},
        {"2 seconds", 2 * S},
        {"5m", 5 * MIN},
        {"15min", 15 * MIN},
        {"90min", 90 * MIN},
        {"1minute", MIN},
        {"2minutes", 2 * MIN},
        {"2h", 2 * H},
        {"25h", 25 * H},
        {"1hr", H},
        {"1hour", H},
        {"3hours", 3 * H},
        {"1d", D},
        {"2d", 2 * D},
        {"1day", D},
        {"2days", 2 * D},
        {"1w", W},
        {"1week", W},
        {"2weeks", 2 * W},
        {"1h 30min", 90 * MIN},
        {"1h30min", 90 * MIN},
        {"1h  30min ", 90 * MIN},
        {"1h\t30min", 90 * MIN},
        {"1h30min15s", 90 * MIN + 15 * S},
        {"1s500ms", 1500},
        {"1s\t2s", 3 * S},
        {"1h 1h", 2 * H},
        {"1d1ms", D + 1},
        {"1d 1", D + S},
        {"10 20", 30 * S},
        {"23h 61min", D + MIN},
        {"  2h  ", 2 * H},
        {" 1", S},
        {"\t1\t", S},
        {"007s", 7 * S},
        {"000000000001", S},
        {"0000000000001", S},
        {"86400001ms", D + 1},
        {"18446744073709551615ms", UINT64_MAX},
        {"18446744073709551s 615ms", UINT64_MAX},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(freep)
        char *exact = copy_of(cases[i].text, strlen(cases[i].text) + 1);
        uint64_t ms = 12345;

        if (time_span_parse(exact, UINT64_MAX, &ms) != 0 || ms != cases[i].ms)
            fail_msg("%s: not %llu ms", cases[i].text, (unsigned long long)cases[i].ms);
    }
}

static void anything_else_is_refused_and_does_not_change_the_result(void **state)
{
    static const char *const cases[] = {
        "",
        " ",
        "\t",
        "s",
        "h",
        "ms",
        "min 5",
        "-1",
        "-1h",
        "+1",
        "1.5s",
        "1.5h",
        "1,5s",
        "1,5h",
        "0x10",
        "1e3",
        "1S",
        "1H",
        "2H",
        "2 Hours",
        "5us",
        "10us",
        "1M",
        "1month",
        "1y",
        "1year",
        "infinity",
        "1s;",
        "2h;",
        "2h,30min",
        "2hh",
        "2h min",
        "1s s",
        "2h -30min",
        "30s#",
        "1s\n",
        "30s\n",
        "1\n2",
        "1\xc2\xa0h",
        "1\xc2\xb5s",
        "2h\xff",
        "\xff",
        "1secondsandmore",
        "1s 1secondsandmore",
        "18446744073709551616ms",
        "18446744073709551615",
        "18446744073709551615s",
        "18446744073709551616",
        "99999999999999999999999",
        "99999999999999999999999999",
        "18446744073709551615m",
        "307445734561825861min",
        "18446744073709551615ms 1ms",
        "18446744073709551615s 1s",
        "18446744073709551s 616ms",
        "213503982335d", /* 2^64 ms and nine hours */
        "999999999999d",
        "30500568905w", /* 2^64 ms and nine hours */
        "30500568904944w",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(freep)
        char *exact = copy_of(cases[i], strlen(cases[i]) + 1);
        uint64_t ms = 12345;

        if (time_span_parse(exact, UINT64_MAX, &ms) != -EINVAL || ms != 12345)
            fail_msg("accepted: \"%s\"", cases[i]);
    }
}

static void the_limit_itself_is_accepted_and_one_more_is_not(void **state)
{
    static const struct {
        const char *text;
        uint64_t max_ms;
        int result;
    } cases[] = {
        {"60s", MIN, 0},           {"60s 1ms", MIN, -EINVAL},
        {"60001ms", MIN, -EINVAL}, {"0", 0, 0},
        {"1ms", 0, -EINVAL},       {"86400", D, 0},
        {"86401", D, -EINVAL},     {"86400001ms", D, -EINVAL},
        {"1d1ms", D, -EINVAL},     {"1d 1", D, -EINVAL},
        {"23h 61min", D, -EINVAL}, {"25h", D, -EINVAL},
        {"2d", D, -EINVAL},        {"18446744073709551615ms", UINT64_MAX - 1, -EINVAL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t ms = 12345;

        assert_int_equal(time_span_parse(cases[i].text, cases[i].max_ms, &ms), cases[i].result);
        assert_true(cases[i].result == 0 ? ms == cases[i].max_ms : ms == 12345);
    }
}

static void every_truncation_is_read_or_refused_within_its_bytes(void **state)
{
    static const char whole[] = "1w 2days 3hours 4minutes 5seconds 6ms 7";

    (void)state;
    for (size_t cut = 0; cut < sizeof(whole); cut++) {
        CLEANUP(freep)
        char *exact = copy_of(whole, cut + 1);
        uint64_t ms;

        exact[cut] = '\0';
        time_span_parse(exact, UINT64_MAX, &ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_are_read_as_systemd_reads_them),
        cmocka_unit_test(anything_else_is_refused_and_does_not_change_the_result),
        cmocka_unit_test(the_limit_itself_is_accepted_and_one_more_is_not),
        cmocka_unit_test(every_truncation_is_read_or_refused_within_its_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
