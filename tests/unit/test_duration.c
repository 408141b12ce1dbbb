/* Time spans of configuration files. */
#include "base/duration.h"
#include "support/check.h"

static void spans_are_read_as_systemd_reads_them(void **state)
{
    static const struct {
        const char *text;
        uint64_t seconds;
    } cases[] = {
        {"0", 0},
        {"90", 90},
        {"30s", 30},
        {"30 s", 30},
        {"30sec", 30},
        {"1second", 1},
        {"2 seconds", 2},
        {"5m", 300},
        {"15min", 900},
        {"1minute", 60},
        {"2minutes", 120},
        {"2h", 7200},
        {"1hr", 3600},
        {"1hour", 3600},
        {"3hours", 10800},
        {"1d", 86400},
        {"1day", 86400},
        {"2days", 172800},
        {"1w", 604800},
        {"1week", 604800},
        {"2weeks", 1209600},
        {"1h 30min", 5400},
        {"1h30min", 5400},
        {"1h\t30min", 5400},
        {"1h30min15s", 5415},
        {"  2h  ", 7200},
        {"007s", 7},
        {"1h 1h", 7200},
        {"18446744073709551615", UINT64_MAX},
        {"18446744073709551615s", UINT64_MAX},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(freep)
        char *exact = copy_of(cases[i].text, strlen(cases[i].text) + 1);
        uint64_t seconds = 12345;

        if (duration_parse(exact, &seconds) != 0 || seconds != cases[i].seconds)
            fail_msg("%s: not %llu", cases[i].text, (unsigned long long)cases[i].seconds);
    }
}

static void anything_else_is_refused_and_leaves_the_result_alone(void **state)
{
    static const char *const cases[] = {
        "",
        " ",
        "\t",
        "s",
        "h",
        "min 5",
        "-1",
        "-1h",
        "+1",
        "1.5h",
        "1,5h",
        "0x10",
        "1e3",
        "2H",
        "2 Hours",
        "5ms",
        "5us",
        "1month",
        "1y",
        "1year",
        "infinity",
        "2h;",
        "2h,30min",
        "2hh",
        "2h min",
        "2h -30min",
        "30s#",
        "30s\n",
        "1\xc2\xa0h",
        "2h\xff",
        "\xff",
        "18446744073709551616",
        "99999999999999999999999",
        "18446744073709551615m",
        "307445734561825861min",
        "18446744073709551615s 1s",
        "30500568904944w",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(freep)
        char *exact = copy_of(cases[i], strlen(cases[i]) + 1);
        uint64_t seconds = 12345;

        if (duration_parse(exact, &seconds) != -EINVAL || seconds != 12345)
            fail_msg("accepted: \"%s\"", cases[i]);
    }
}

static void every_truncation_is_read_or_refused_within_its_bytes(void **state)
{
    static const char whole[] = "1w 2days 3hours 4minutes 5seconds 6";

    (void)state;
    for (size_t cut = 0; cut < sizeof(whole); cut++) {
        CLEANUP(freep)
        char *exact = copy_of(whole, cut + 1);
        uint64_t seconds;

        exact[cut] = '\0';
        duration_parse(exact, &seconds);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_are_read_as_systemd_reads_them),
        cmocka_unit_test(anything_else_is_refused_and_leaves_the_result_alone),
        cmocka_unit_test(every_truncation_is_read_or_refused_within_its_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
