/* base64url: known values, and exactly one spelling for each value. */
#include "base/base64url.h"
#include "support/check.h"
#include "support/mint.h"

static int decode_exact(const char *text, size_t len, uint8_t *ret_bytes, size_t *ret_len)
{
    CLEANUP(freep)
    char *exact = copy_of(text, len);

    return base64url_decode(exact, len, ret_bytes, ret_len);
}

static void known_texts_are_decoded(void **state)
{
    static const struct {
        const char *text, *bytes;
    } cases[] = {
        /* RFC 4648, section 10 */
        {"", ""},
        {"Zg", "f"},
        {"Zm8", "fo"},
        {"Zm9v", "foo"},
        {"Zm9vYg", "foob"},
        {"Zm9vYmE", "fooba"},
        {"Zm9vYmFy", "foobar"},
        {"-_-_", "\xfb\xff\xbf"},
        {"____", "\xff\xff\xff"},
        {"gA", "\x80"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint8_t bytes[32];
        size_t len = 99;

        assert_int_equal(decode_exact(cases[i].text, strlen(cases[i].text), bytes, &len), 0);
        assert_int_equal(len, strlen(cases[i].bytes));
        assert_memory_equal(bytes, cases[i].bytes, len);
    }
}

static void decoded_values_fit_the_documented_buffer(void **state)
{
    uint8_t in[200];

    (void)state;
    for (size_t i = 0; i < sizeof(in); i++)
        in[i] = (uint8_t)(i * 167 + 13);
    for (size_t len = 0; len <= sizeof(in); len++) {
        CLEANUP(freep)
        char *text = mint_encode(in, len);
        CLEANUP(freep)
        uint8_t *out = malloc(BASE64URL_DECODED_MAX(strlen(text)));
        size_t out_len;

        assert_int_equal(decode_exact(text, strlen(text), out, &out_len), 0);
        assert_int_equal(out_len, len);
        assert_memory_equal(out, in, len);
    }
}

static void other_spellings_are_refused(void **state)
{
    static const struct {
        const char *why, *text;
        size_t len;
    } cases[] = {
        {"padding of one", "Zm8=", 4},
        {"padding of two", "Zg==", 4},
        {"only padding", "====", 4},
        {"character 62 of the standard alphabet", "+_-_", 4},
        {"character 63 of the standard alphabet", "/_-_", 4},
        {"a leading space", " Zm9", 4},
        {"a trailing space", "Zm9 ", 4},
        {"a newline", "Zm9v\n", 5},
        {"a newline in the middle", "Zm\n9v", 5},
        {"one character", "Z", 1},
        {"five characters", "Zm9vY", 5},
        {"a NUL", "Zm9\0", 4},
        {"a dot", "Zm.v", 4},
        {"a byte over 127", "Zm9\xc3", 4},
        {"a byte of 255", "Zm9\xff", 4},
        {"a comma", "Zm9,", 4},
        {"trailing bits of one byte", "Zh", 2},
        {"the lowest trailing bit of one byte", "Zn", 2},
        {"trailing bits of two bytes", "Zm9", 3},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint8_t bytes[32];
        size_t len;

        if (decode_exact(cases[i].text, cases[i].len, bytes, &len) != -EBADMSG)
            fail_msg("accepted: %s", cases[i].why);
    }
}

static void each_value_has_one_text_of_two_or_three_characters(void **state)
{
    unsigned n_two = 0, n_three = 0;

    (void)state;
    for (unsigned first = 0; first < 256; first++) {
        for (unsigned last = 0; last < 256; last++) {
            const char two[] = {(char)first, (char)last}, three[] = {'A', (char)first, (char)last};
            uint8_t bytes[8];
            size_t len;

            n_two += base64url_decode(two, 2, bytes, &len) == 0;
            n_three += base64url_decode(three, 3, bytes, &len) == 0;
        }
    }
    assert_int_equal(n_two, 256);
    assert_int_equal(n_three, 64 * 16); /* the first six of sixteen bits are zero */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_texts_are_decoded),
        cmocka_unit_test(decoded_values_fit_the_documented_buffer),
        cmocka_unit_test(other_spellings_are_refused),
        cmocka_unit_test(each_value_has_one_text_of_two_or_three_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
