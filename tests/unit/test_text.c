/*
 * Text without stdio: text that does not fit is truncated, and nothing is written past the buffer.
 */
#include <sys/stat.h>

#include "support/check.h"
#include "text/text.h"

static void strings_are_appended_and_truncated(void **state)
{
    static const char whole[] = "one, two, three";

    (void)state;
    for (size_t size = 1; size <= sizeof(whole) + 1; size++) {
        CLEANUP(freep)
        char *exact = malloc(size);
        struct text text = text_in(exact, size);
        size_t expected = size - 1 < strlen(whole) ? size - 1 : strlen(whole);

        assert_string_equal(exact, "");
        text_add(&text, "one", ", ", "", "two", NULL);
        text_add(&text, NULL);
        text_add_bytes(&text, ", three, four", 7);
        assert_int_equal(strlen(exact), expected);
        assert_memory_equal(exact, whole, expected);
        assert_int_equal(text.left, size - expected);
    }
}

static void numbers_are_written_in_decimal(void **state)
{
    static const struct {
        uint64_t number;
        const char *text;
    } cases[] = {
        {0, "0"},
        {7, "7"},
        {10, "10"},
        {99, "99"},
        {1782050000, "1782050000"},
        {4294967296, "4294967296"},
        {9223372036854775807, "9223372036854775807"},
        {UINT64_MAX, "18446744073709551615"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(freep)
        char *buffer = malloc(NUMBER_SIZE);

        assert_ptr_equal(number_text(cases[i].number, buffer), buffer);
        assert_string_equal(buffer, cases[i].text);
    }
}

static void times_are_written_as_in_rfc_3339(void **state)
{
    static const struct {
        int64_t time_s;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00Z"},
        {1787310000, "2026-08-21T11:00:00Z"},
        {951782400, "2000-02-29T00:00:00Z"},
        {951868799, "2000-02-29T23:59:59Z"},
        {4102444799, "2099-12-31T23:59:59Z"},
        {2147483648, "2038-01-19T03:14:08Z"},
        {253402300799, "9999-12-31T23:59:59Z"},
        {-1, "1969-12-31T23:59:59Z"},
        {253402300800, "10000-01-01T00:00:00Z"},
        {67768036191676799, "2147485547-12-31T23:59:59Z"}, /* the greatest year of struct tm */
        {67768036191676800, ""},
        {INT64_MAX, ""},
        {INT64_MIN, ""},
        {-62135596801, ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(freep)
        char *buffer = malloc(TIME_SIZE);

        assert_string_equal(time_text(cases[i].time_s, buffer), cases[i].text);
    }
}

static void output_is_written_completely(void **state)
{
    char got[64] = "";
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(output(fds[1], "one", "", " two", "\n", NULL), 0);
    assert_int_equal(output(fds[1], NULL), 0);
    close(fds[1]);
    assert_int_equal(read(fds[0], got, sizeof(got) - 1), 8);
    assert_string_equal(got, "one two\n");
    close(fds[0]);
    assert_int_equal(output(-1, "x", NULL), -EBADF);
    assert_int_equal(output(-1, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_appended_and_truncated),
        cmocka_unit_test(numbers_are_written_in_decimal),
        cmocka_unit_test(times_are_written_as_in_rfc_3339),
        cmocka_unit_test(output_is_written_completely),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
