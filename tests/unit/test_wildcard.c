/*
 * Wildcards: known results, and a comparison with an independent matcher that implements the
 * definition literally, with backtracking.
 */
#include <time.h>

#include "policy/wildcard.h"
#include "support/check.h"

static bool match(const char *pattern, const char *text)
{
    CLEANUP(freep)
    char *exact = copy_of(text, strlen(text) + 1);
    struct wildcard wildcard;
    bool result;

    assert_int_equal(wildcard_init(&wildcard, pattern), 0);
    result = wildcard_matches(&wildcard, exact);
    wildcard_done(&wildcard);
    return result;
}

static void known_pairs_match_or_do_not(void **state)
{
    static const struct {
        const char *pattern, *text;
        bool expected;
    } cases[] = {
        {"", "", true},
        {"", "a", false},
        {"a", "a", true},
        {"a", "", false},
        {"a", "A", false},
        {"a", "aa", false},
        {"aa", "a", false},
        {"*", "", true},
        {"*", "anything at all", true},
        {"**", "", true},
        {"a*", "a", true},
        {"a*", "ba", false},
        {"*a", "ba", true},
        {"*a", "ab", false},
        {"a*c", "abbbc", true},
        {"a*c", "ac", true},
        {"a*c", "acb", false},
        {"*b*", "abc", true},
        {"*b*", "ac", false},
        {"pulumi-*", "pulumi-", true},
        {"pulumi-*", "pulumi-runner", true},
        {"pulumi-*", "pulumi", false},
        {"pulumi-*", "xpulumi-runner", false},
        {"?", "", true},
        {"?", "a", true},
        {"?", "ab", false},
        {"a?", "a", true},
        {"a?b", "ab", true},
        {"a?b", "acb", true},
        {"a?b", "accb", false},
        {"??", "", true},
        {"??", "ab", true},
        {"??", "abc", false},
        {"?a", "a", true},
        {"?a", "aa", true},
        {"?a", "aaa", false},
        {".", "", false},
        {".", "a", true},
        {".", "ab", false},
        {"..", "a", false},
        {"..", "ab", true},
        {"a.c", "abc", true},
        {"a.c", "a.c", true},
        {"a.c", "ac", false},
        {"a.c", "abbc", false},
        {".*", "", false},
        {".*", "a", true},
        {"*.", "", false},
        {"?.", "a", true},
        {".?", "a", true},
        {"?.", "", false},
        {"*?.", "ab", true},
        {"*.example.com", "a.example.com", true},
        {"*.example.com", "aXexampleXcom", true},
        {"*.example.com", ".example.com", true},
        {"*.example.com", "example.com", false},
        {"\xc3\xa4", "\xc3\xa4", true},
        {".", "\xc3\xa4", true},
        {"..", "\xc3\xa4", false},
        {"?", "\xe2\x82\xac", true},
        {".", "\xf0\x9f\x98\x80", true},
        {"....", "\xf0\x9f\x98\x80", false},
        {"*\xc3\xa4", "a\xc3\xa4", true},
        {"a*", "\xc3\xa4", false},
        {"[a-z]", "b", false},
        {"[a-z]", "[a-z]", true},
        {"a|b", "a", false},
        {"\\*", "*", false},
        {"\\*", "\\x", true},
        {"^a$", "a", false},
        {"a+", "aa", false},
        {"%", "x", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        if (match(cases[i].pattern, cases[i].text) != cases[i].expected)
            fail_msg("\"%s\" and \"%s\": not %d", cases[i].pattern, cases[i].text,
                     cases[i].expected);
    }
}

/* The definition, implemented literally. Here, one byte is one character. */
static bool oracle(const char *pattern, const char *text)
{
    switch (*pattern) {
    case '\0':
        return *text == '\0';
    case '*':
        return oracle(pattern + 1, text) || (*text && oracle(pattern, text + 1));
    case '?':
        return oracle(pattern + 1, text) || (*text && oracle(pattern + 1, text + 1));
    case '.':
        return *text && oracle(pattern + 1, text + 1);
    default:
        return *text == *pattern && oracle(pattern + 1, text + 1);
    }
}

static unsigned random_below(uint64_t *seed, unsigned n)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(*seed >> 33) % n;
}

static void random_string(uint64_t *seed, const char *alphabet, unsigned max, char *ret_text)
{
    unsigned len = random_below(seed, max + 1);

    for (unsigned i = 0; i < len; i++)
        ret_text[i] = alphabet[random_below(seed, (unsigned)strlen(alphabet))];
    ret_text[len] = '\0';
}

static void random_pairs_match_as_defined(void **state)
{
    static const char *const alphabets[] = {"ab*?.", "a*?.", "ab*", "a?.", "abc.?", "*?."};
    uint64_t seed = 20260821;
    unsigned n_matches = 0;

    (void)state;
    for (int i = 0; i < 60000; i++) {
        const char *alphabet = alphabets[(unsigned)i % ARRAY_SIZE(alphabets)];
        char pattern[16], text[16];

        random_string(&seed, alphabet, 8, pattern);
        random_string(&seed, i % 2 ? "ab" : "abc.*?", 8, text);
        if (match(pattern, text) != oracle(pattern, text))
            fail_msg("\"%s\" and \"%s\": not %d", pattern, text, oracle(pattern, text));
        n_matches += oracle(pattern, text);
    }
    assert_in_range(n_matches, 5000, 55000); /* otherwise the comparison means little */
}

/* Replaces letters by characters of several bytes: positions count characters, not bytes. */
static char *widen(const char *narrow, char *ret_wide)
{
    char *at = ret_wide;

    for (; *narrow; narrow++)
        at = stpcpy(at, *narrow == 'a'   ? "\xc3\xa4"
                        : *narrow == 'b' ? "\xf0\x9f\x98\x80"
                                         : (char[]){*narrow, '\0'});
    *at = '\0';
    return ret_wide;
}

static void random_pairs_of_wide_characters_match_as_defined(void **state)
{
    uint64_t seed = 8259;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        char pattern[16], text[16], wide_pattern[64], wide_text[64];

        random_string(&seed, "ab*?.", 8, pattern);
        random_string(&seed, "ab", 8, text);
        if (match(widen(pattern, wide_pattern), widen(text, wide_text)) != oracle(pattern, text))
            fail_msg("\"%s\" and \"%s\", widened: not %d", pattern, text, oracle(pattern, text));
    }
}

static void patterns_that_are_not_utf8_are_refused(void **state)
{
    static const char *const cases[] = {
        "\x80",
        "\xbf",
        "a\x80",
        "\xc3",
        "\xc3(",
        "a\xc3",
        "\xe2\x82",
        "\xe2\x28\xa1",
        "\xf0\x9f\x98",
        "\xf0\x28\x8c\xbc",
        "\xc0\xaf",
        "\xc1\xbf",
        "\xf5\x80\x80\x80",
        "\xff",
        "\xfe",
        "*\xa4x",
        "\xf8\x88\x80\x80\x80",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(freep)
        char *exact = copy_of(cases[i], strlen(cases[i]) + 1);
        struct wildcard wildcard;

        if (wildcard_init(&wildcard, exact) != -EINVAL)
            fail_msg("accepted: row %zu", i);
    }
}

/* RFC 3629, section 3: overlong forms of three and four bytes, surrogates, above U+10FFFF. */
static void long_forms_and_surrogates_are_not_utf8(void **state)
{
    static const char *const cases[] = {
        "\xe0\x80\xaa", /* an overlong "*" must not act as a wildcard */
        "x*\xe0\x80\xaa", "\xe0\x9f\xbf", "\xf0\x80\x80\xaa", "\xf0\x8f\xbf\xbf",
        "\xed\xa0\x80",   "\xed\xbf\xbf", "\xf4\x90\x80\x80",
    };
    unsigned n_accepted = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct wildcard wildcard;

        if (wildcard_init(&wildcard, cases[i]) == 0) {
            print_error("accepted: row %zu\n", i);
            wildcard_done(&wildcard);
            n_accepted++;
        }
    }
    assert_int_equal(n_accepted, 0);
}

static void a_text_that_is_not_utf8_does_not_match_a_pattern(void **state)
{
    static const char *const texts[] = {"\x80", "a\xff", "\xc3", "\xe2\x82", "\xf0\x9f\x98"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        assert_false(match("*", texts[i]));
        assert_false(match("....*", texts[i]));
    }
}

static void a_pattern_has_at_most_512_characters(void **state)
{
    char text[2 * WILDCARD_MAX + 8];
    struct wildcard wildcard;

    (void)state;
    memset(text, 'a', WILDCARD_MAX + 1);
    text[WILDCARD_MAX + 1] = '\0';
    assert_int_equal(wildcard_init(&wildcard, text), -E2BIG);
    text[WILDCARD_MAX] = '\0';
    assert_int_equal(wildcard_init(&wildcard, text), 0);
    assert_true(wildcard_matches(&wildcard, text));
    wildcard_done(&wildcard);
    for (int i = 0; i < WILDCARD_MAX; i++)
        memcpy(text + 2 * i, "\xc3\xa4", 2);
    text[2 * WILDCARD_MAX] = '\0';
    text[0] = '*'; /* characters count, not bytes; this leaves a lone second byte of a character */
    assert_int_equal(wildcard_init(&wildcard, text), -EINVAL);
    memcpy(text, "\xc3\xa4", 2);
    assert_int_equal(wildcard_init(&wildcard, text), 0);
    wildcard_done(&wildcard);
}

static void pathological_patterns_do_not_take_long(void **state)
{
    static const char *const pieces[] = {"a*", "*a", "?", "?*", "a?", "*?a?", "a*.", "*"};
    size_t text_len = 8192;
    CLEANUP(freep)
    char *text = calloc(1, text_len + 1);
    clock_t start = clock();

    (void)state;
    memset(text, 'a', text_len);
    text[text_len - 1] = 'b';
    for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
        char pattern[WILDCARD_MAX + 1] = "";

        while (strlen(pattern) + strlen(pieces[i]) < WILDCARD_MAX)
            strcat(pattern, pieces[i]);
        strcat(pattern, "c");
        assert_false(match(pattern, text));
    }
    assert_true((clock() - start) / CLOCKS_PER_SEC < 5);
}

static void every_text_of_the_inner_pattern_is_one_of_the_outer(void **state)
{
    static const struct {
        const char *outer, *inner;
        bool expected;
    } cases[] = {
        {"a", "a", true},
        {"a", "b", false},
        {"a", "?", false},
        {"a", "*", false},
        {"a", ".", false},
        {"*", "", true},
        {"*", "*", true},
        {"*", "a?b.*", true},
        {".", "a", true},
        {".", ".", true},
        {".", "?", false},
        {".", "*", false},
        {"?", "", true},
        {"?", "a", true},
        {"?", ".", true},
        {"?", "?", true},
        {"?", "*", false},
        {"?", "??", false},
        {"a*", "a?*", true},
        {"a*", "ab*c", true},
        {"a*", "*a", false},
        {"*a*", "ba", true},
        {"ci", "c.", false},
        {"c.", "ci", true},
        {"pulumi-*", "pulumi-ci-*", true},
        {"pulumi-ci-*", "pulumi-*", false},
        {"a.b", "a.b", true},
        {"a?b", "ab", true},
        {"a?b", "a?b", true},
        {"a.b", "a?b", false},
        {"*-*", "a-b-c", true},
        {"x*y", "x*y", true},
        {"", "", true},
        {"", "*", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wildcard outer, inner;

        assert_int_equal(wildcard_init(&outer, cases[i].outer), 0);
        assert_int_equal(wildcard_init(&inner, cases[i].inner), 0);
        if (wildcard_covers(&outer, &inner) != cases[i].expected)
            fail_msg("%s covers %s", cases[i].outer, cases[i].inner);
        wildcard_done(&outer);
        wildcard_done(&inner);
    }
}

/* All texts of three letters at most: if one pattern covers another, no text tells them apart. */
static void no_text_refutes_that_a_pattern_covers_another(void **state)
{
    static const char letters[] = "ab.?*";
    size_t n_covered = 0;

    (void)state;
    for (unsigned pair = 0; pair < 625 * 625; pair += 7) {
        char outer[5] = {0}, inner[5] = {0};
        struct wildcard a, b;

        for (unsigned i = 0, rest = pair; i < 4; i++, rest /= 25) {
            outer[i] = letters[rest % 5];
            inner[i] = letters[rest / 5 % 5];
        }
        assert_int_equal(wildcard_init(&a, outer), 0);
        assert_int_equal(wildcard_init(&b, inner), 0);
        if (wildcard_covers(&a, &b)) {
            n_covered++;
            for (unsigned t = 0; t < 4 * 4 * 4 * 4 * 4; t++) {
                char text[6] = {0};
                unsigned n = 0;

                for (unsigned i = 0, rest = t; i < 5; i++, rest /= 4)
                    if (rest % 4)
                        text[n++] = "abc"[rest % 4 - 1];
                if (wildcard_matches(&b, text) && !wildcard_matches(&a, text))
                    fail_msg("%s covers %s, but not %s", outer, inner, text);
            }
        }
        wildcard_done(&a);
        wildcard_done(&b);
    }
    assert_in_range(n_covered, 500, 50000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_pairs_match_or_do_not),
        cmocka_unit_test(random_pairs_match_as_defined),
        cmocka_unit_test(random_pairs_of_wide_characters_match_as_defined),
        cmocka_unit_test(patterns_that_are_not_utf8_are_refused),
        cmocka_unit_test(long_forms_and_surrogates_are_not_utf8),
        cmocka_unit_test(a_text_that_is_not_utf8_does_not_match_a_pattern),
        cmocka_unit_test(a_pattern_has_at_most_512_characters),
        cmocka_unit_test(pathological_patterns_do_not_take_long),
        cmocka_unit_test(every_text_of_the_inner_pattern_is_one_of_the_outer),
        cmocka_unit_test(no_text_refutes_that_a_pattern_covers_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
