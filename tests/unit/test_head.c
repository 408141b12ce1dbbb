/* The lines of an answer's head: how long keys may be used, and contradictory lengths. */
#include "exchanger/head.h"
#include "support/check.h"

static bool read_line(struct head *head, const char *line)
{
    CLEANUP(freep)
    char *exact = copy_of(line, strlen(line));

    return head_read(head, exact, strlen(line));
}

static void max_age_is_read_as_rfc_9111_says(void **state)
{
    static const struct {
        const char *line;
        uint32_t expected;
    } cases[] = {
        {"Cache-Control: max-age=300\r\n", 300},
        {"cache-control:max-age=300\r\n", 300},
        {"CACHE-CONTROL: \tMAX-AGE=300\r\n", 300},
        {"Cache-Control: public, max-age=300, must-revalidate\r\n", 300},
        {"Cache-Control: public,max-age=300\r\n", 300},
        {"Cache-Control: max-age=\"300\"\r\n", 300},
        {"Cache-Control: max-age=1, max-age=2\r\n", 1},
        {"Cache-Control: max-age=0\r\n", 0},
        {"Cache-Control: max-age=2147483647\r\n", INT32_MAX},
        {"Cache-Control: max-age=2147483648\r\n", INT32_MAX},
        {"Cache-Control: max-age=4294967296\r\n", INT32_MAX},
        {"Cache-Control: max-age=99999999999999999999999999\r\n", INT32_MAX},
        {"Cache-Control: max-age=-1\r\n", 0},
        {"Cache-Control: max-age=+1\r\n", 0},
        {"Cache-Control: max-age= 300\r\n", 0},
        {"Cache-Control: max-age=\r\n", 0},
        {"Cache-Control: max-age\r\n", 0},
        {"Cache-Control: max-age=x\r\n", 0},
        {"Cache-Control: s-maxage=300\r\n", 0},
        {"Cache-Control: x-max-age=300\r\n", 0},
        {"Cache-Control: no-store\r\n", 0},
        {"Cache-Control: ,,,\r\n", 0},
        {"Cache-Control:\r\n", 0},
        {"X-Cache-Control: max-age=300\r\n", 0},
        {"max-age=300\r\n", 0},
        {"\r\n", 0},
        {"", 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct head head = {0};

        assert_true(read_line(&head, cases[i].line));
        if (head.max_age_s != cases[i].expected)
            fail_msg("%s: %u", cases[i].line, head.max_age_s);
    }
}

static void two_lengths_contradict_each_other(void **state)
{
    struct head head = {0};

    (void)state;
    assert_true(read_line(&head, "HTTP/1.1 200 OK\r\n"));
    assert_true(read_line(&head, "Content-Length: 10\r\n"));
    assert_true(read_line(&head, "content-length:10\r\n"));
    assert_false(read_line(&head, "Content-Length: 11\r\n"));
    /* an interim answer has a head of its own */
    assert_true(read_line(&head, "HTTP/1.1 200 OK\r\n"));
    assert_true(read_line(&head, "Content-Length: 11\r\n"));
}

static void the_date_is_read_as_rfc_9110_says(void **state)
{
    static const struct {
        const char *line;
        int64_t expected;
    } cases[] = {
        {"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 784111777},
        {"date:Sun, 06 Nov 1994 08:49:37 GMT\r\n", 784111777},
        {"Date: Sun, 06 Nov 1994 08:49:37 CET\r\n", 0},
        {"Date: Sun, 06 Nov 1994 08:49:37 GMT+1\r\n", 0},
        {"Date: Sun, 06 Nov 1894 08:49:37 GMT\r\n", 0},
        {"Date: Sunday, 06-Nov-94 08:49:37 GMT\r\n", 0},
        {"Date: 784111777\r\n", 0},
        {"Date:\r\n", 0},
        {"X-Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct head head = {0};

        assert_true(read_line(&head, cases[i].line));
        if (head.date_s != cases[i].expected)
            fail_msg("%s: %lld", cases[i].line, (long long)head.date_s);
    }
}

static void a_long_line_is_ignored(void **state)
{
    struct head head = {0};
    char line[5000];

    (void)state;
    memset(line, 'a', sizeof(line) - 1);
    memcpy(line, "Cache-Control: max-age=300,", 27);
    line[sizeof(line) - 1] = '\0';
    assert_true(read_line(&head, line));
    assert_int_equal(head.max_age_s, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(max_age_is_read_as_rfc_9111_says),
        cmocka_unit_test(two_lengths_contradict_each_other),
        cmocka_unit_test(the_date_is_read_as_rfc_9110_says),
        cmocka_unit_test(a_long_line_is_ignored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
