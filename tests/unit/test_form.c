/* Form bodies: no value can inject a field, and each value can be decoded again. */
#include "base/log.h"
#include "provider/form.h"
#include "support/check.h"

#define FIELD(name, text)                                                                          \
    {                                                                                              \
        name, text, sizeof(text) - 1                                                               \
    }

static void known_fields_are_encoded(void **state)
{
    static const struct {
        struct form_field fields[3];
        size_t n;
        const char *body;
    } cases[] = {
        {{{0}}, 0, ""},
        {{FIELD("a", "b")}, 1, "a=b"},
        {{FIELD("a", "")}, 1, "a="},
        {{FIELD("a", "b"), FIELD("c", "d")}, 2, "a=b&c=d"},
        {{FIELD("a", ""), FIELD("b", ""), FIELD("c", "")}, 3, "a=&b=&c="},
        {{FIELD("a", "x&b=c")}, 1, "a=x%26b%3Dc"},
        {{FIELD("a&b", "x"), FIELD("c=d", "y")}, 2, "a%26b=x&c%3Dd=y"},
        {{FIELD("a", "1 2+3%")}, 1, "a=1%202%2B3%25"},
        {{FIELD("a", "\0\r\n\x7f\xff")}, 1, "a=%00%0D%0A%7F%FF"},
        {{FIELD("a", "\xc3\xa4")}, 1, "a=%C3%A4"},
        {{FIELD("scope", "user:ci-bot")}, 1, "scope=user%3Aci-bot"},
        {{FIELD("a", "AZaz09-._~")}, 1, "a=AZaz09-._~"},
        {{FIELD("a", "!*'();:@,/?#[]$\"<>\\^`{|}")},
         1,
         "a=%21%2A%27%28%29%3B%3A%40%2C%2F%3F%23%5B%5D%24%22%3C%3E%5C%5E%60%7B%7C%7D"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(secret_freep)
        struct secret *body = form_encode(cases[i].fields, cases[i].n);

        assert_non_null(body);
        if (body->len != strlen(cases[i].body) ||
            memcmp(body->bytes, cases[i].body, body->len) != 0)
            fail_msg("row %zu: %.*s", i, (int)body->len, (char *)body->bytes);
    }
}

static unsigned hex_value(uint8_t c)
{
    return c <= '9' ? c - (unsigned)'0' : c - (unsigned)'A' + 10;
}

static void every_byte_can_be_decoded_and_only_unreserved_ones_are_copied(void **state)
{
    static const char unreserved[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        uint8_t byte = (uint8_t)c;
        const struct form_field field = {"k", &byte, 1};
        CLEANUP(secret_freep)
        struct secret *body = form_encode(&field, 1);

        if (c && strchr(unreserved, (int)c)) {
            assert_int_equal(body->len, 3);
            assert_int_equal(body->bytes[2], c);
        } else {
            assert_int_equal(body->len, 5);
            assert_int_equal(body->bytes[2], '%');
            assert_int_equal(hex_value(body->bytes[3]) << 4 | hex_value(body->bytes[4]), c);
        }
    }
}

static void a_body_over_64_kib_is_refused(void **state)
{
    CLEANUP(freep)
    char *value = malloc(70000);
    struct form_field field = {"k", value, 65000};
    CLEANUP(secret_freep)
    struct secret *body = NULL;

    (void)state;
    memset(value, 'a', 70000);
    body = form_encode(&field, 1);
    assert_non_null(body);
    assert_int_equal(body->len, 65002);
    field.len = 70000;
    assert_null(form_encode(&field, 1));
    memset(value, '&', 70000);
    field.len = 30000; /* three times as many in the body */
    assert_null(form_encode(&field, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_fields_are_encoded),
        cmocka_unit_test(every_byte_can_be_decoded_and_only_unreserved_ones_are_copied),
        cmocka_unit_test(a_body_over_64_kib_is_refused),
    };

    log_init("test_form", -1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
