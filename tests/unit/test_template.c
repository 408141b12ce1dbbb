/* The templates of a token's files. */
#include "library/template.h"

#include <stdlib.h>
#include <string.h>

#include "support/check.h"

static void specifiers_are_replaced(void **state)
{
    static const struct {
        const char *template;
        const char *token;
        const char *text;
    } cases[] = {
        {"", "t", ""},
        {"nothing", "t", "nothing"},
        {"%t", "pul-x", "pul-x"},
        {"\"%t\"", "a\"b\\c", "\"a\\\"b\\\\c\""},
        {"%n..%e", "t", "2026-08-21T11:00:00Z..2026-08-21T13:00:00Z"},
        {"%%t%%%t", "x", "%t%x"},
        {"%t%t%t%t%t%t%t%t%t%t%t%t%t%t%t%t", "\\",
         "\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\"
         "\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct template_values values = {wire_string(cases[i].token), 1787310000, 1787317200};
        struct wire_bytes template = wire_string(cases[i].template);
        size_t size = template_size(template, &values);
        char *buffer = malloc(size);
        struct text text = text_in(buffer, size);

        assert_true(template_is_valid(template));
        template_add(&text, template, &values);
        assert_string_equal(buffer, cases[i].text);
        free(buffer);
    }
}

static void other_specifiers_are_refused(void **state)
{
    static const char *const invalid[] = {"%", "a%", "%%%", "%T", "%s", "% t", "%\xc3\xa9", "%t%x"};
    char many[2 * 17 + 1] = "";

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(invalid); i++)
        if (template_is_valid(wire_string(invalid[i])))
            fail_msg("accepted: %s", invalid[i]);
    for (size_t i = 0; i < 16; i++)
        strcat(many, "%%");
    assert_true(template_is_valid(wire_string(many)));
    strcat(many, "%%");
    assert_false(template_is_valid(wire_string(many)));
}

static void a_template_ends_with_its_bytes(void **state)
{
    struct wire_bytes exact = wire_bytes("a%t", 2); /* the "t" is beyond its end */

    (void)state;
    assert_false(template_is_valid(exact));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(specifiers_are_replaced),
        cmocka_unit_test(other_specifiers_are_refused),
        cmocka_unit_test(a_template_ends_with_its_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
