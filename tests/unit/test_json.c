/* Untrusted JSON: one object, and nothing that two parsers could read differently. */
#include "base/json.h"
#include "support/check.h"
#include "support/json_agree.h"

/* Both readers accept the text, and read the same; or both refuse it. */
static json_t *read_exact(const void *text, size_t len)
{
    CLEANUP(freep)
    void *exact = copy_of(text, len);
    json_t *json = json_read_object(exact, len);
    CLEANUP(freep)
    struct json_value *value = json_value_read(exact, len);

    if (!json != !value)
        fail_msg("only %s accepts: %.*s", json ? "jansson" : "json_value_read()", (int)len,
                 (const char *)exact);
    if (json && !json_agrees(json, value))
        fail_msg("read differently: %.*s", (int)len, (const char *)exact);
    return json;
}

static void an_object_is_read(void **state)
{
    static const char text[] =
        " {\"a\":\"b\",\"n\":-5,\"l\":[1,true,null,2.5],\"o\":{\"\\u0061\":1}}\n";
    CLEANUP(json_decrefp)
    json_t *json = read_exact(text, strlen(text));

    (void)state;
    assert_non_null(json);
    assert_string_equal(json_member_string(json, "a"), "b");
    assert_null(json_member_string(json, "n"));
    assert_null(json_member_string(json, "l"));
    assert_null(json_member_string(json, "absent"));
    assert_null(json_member_string(NULL, "a"));
    assert_int_equal(json_integer_value(json_object_get(json, "n")), -5);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "o"), "a")), 1);
}

static void every_truncation_is_refused(void **state)
{
    static const char text[] =
        "{\"a\":\"\\u00e4\xc3\xa4\",\"b\":[1,2.5e3,{\"c\":true}],\"d\":null}";

    (void)state;
    for (size_t cut = 0; cut < strlen(text); cut++) {
        CLEANUP(json_decrefp)
        json_t *json = read_exact(text, cut);

        if (json)
            fail_msg("accepted the first %zu bytes", cut);
    }
}

static void anything_but_one_strict_object_is_refused(void **state)
{
    static const struct {
        const char *why, *text;
        size_t len; /* 0: strlen(text) */
    } cases[] = {
        {"nothing", "", 0},
        {"blanks", "  \n", 0},
        {"an array", "[]", 0},
        {"a string", "\"a\"", 0},
        {"a number", "1", 0},
        {"null", "null", 0},
        {"true", "true", 0},
        {"two objects", "{}{}", 0},
        {"an object and a comma", "{},", 0},
        {"a character after the object", "{} x", 0},
        {"a bracket after the object", "{}}", 0},
        {"brackets before the object", "]]]]{}", 0},
        {"a byte order mark", "\xef\xbb\xbf{}", 0},
        {"UTF-16", "{\0}\0", 4},
        {"a NUL behind", "{}\0", 3},
        {"a NUL before the object", "\0{}", 3},
        {"a NUL in a string", "{\"a\":\"x\0y\"}", 11},
        {"an escaped NUL in a string", "{\"a\":\"x\\u0000y\"}", 0},
        {"an escaped NUL in a name", "{\"a\\u0000b\":1}", 0},
        {"a raw newline in a string", "{\"a\":\"x\ny\"}", 0},
        {"a raw tab in a string", "{\"a\":\"x\ty\"}", 0},
        {"a duplicate", "{\"a\":1,\"a\":1}", 0},
        {"an escaped duplicate", "{\"a\":1,\"\\u0061\":2}", 0},
        {"a duplicate, both escaped", "{\"\\u0061\":1,\"\\u0061\":2}", 0},
        {"a nested duplicate", "{\"o\":{\"a\":1,\"\\u0061\":2}}", 0},
        {"a duplicate in an array's object", "{\"l\":[{\"a\":1,\"a\":2}]}", 0},
        {"a duplicate of the empty name", "{\"\":1,\"\":2}", 0},
        {"a trailing comma", "{\"a\":1,}", 0},
        {"only a comma", "{,}", 0},
        {"a comment", "{/**/}", 0},
        {"a line comment", "{}//", 0},
        {"single quotes", "{'a':1}", 0},
        {"a name without quotes", "{a:1}", 0},
        {"no value", "{\"a\":}", 0},
        {"no colon", "{\"a\"}", 0},
        {"NaN", "{\"a\":NaN}", 0},
        {"Infinity", "{\"a\":Infinity}", 0},
        {"a plus", "{\"a\":+1}", 0},
        {"a leading zero", "{\"a\":01}", 0},
        {"hexadecimal", "{\"a\":0x1}", 0},
        {"a bare point", "{\"a\":1.}", 0},
        {"no digit before the point", "{\"a\":.5}", 0},
        {"an integer over 64 bits", "{\"a\":9223372036854775808}", 0},
        {"a real out of range", "{\"a\":1e999}", 0},
        {"True", "{\"a\":True}", 0},
        {"an unknown escape", "{\"a\":\"\\x\"}", 0},
        {"half an escape", "{\"a\":\"\\u12\"}", 0},
        {"half a surrogate pair", "{\"a\":\"\\ud800\"}", 0},
        {"a surrogate pair in the wrong order", "{\"a\":\"\\udc00\\ud800\"}", 0},
        {"a byte that UTF-8 never has", "{\"a\":\"\xff\"}", 0},
        {"an overlong solidus", "{\"a\":\"\xc0\xaf\"}", 0},
        {"an overlong NUL", "{\"a\":\"\xc0\x80\"}", 0},
        {"an overlong form of three bytes", "{\"a\":\"\xe0\x80\xaf\"}", 0},
        {"a surrogate in UTF-8", "{\"a\":\"\xed\xa0\x80\"}", 0},
        {"a code point over U+10FFFF", "{\"a\":\"\xf4\x90\x80\x80\"}", 0},
        {"a single continuation byte", "{\"a\":\"\x80\"}", 0},
        {"half a character", "{\"a\":\"\xc3\"}", 0},
        {"bad UTF-8 in a name", "{\"\xff\":1}", 0},
        {"mismatched brackets", "{\"a\":[1}]", 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t len = cases[i].len ? cases[i].len : strlen(cases[i].text);
        CLEANUP(json_decrefp)
        json_t *json = read_exact(cases[i].text, len);

        if (json)
            fail_msg("accepted: %s", cases[i].why);
    }
}

/* {"a": open * n ... close * n } */
static json_t *read_nested(const char *open, const char *close, int n)
{
    char text[4096] = "{\"a\":";

    for (int i = 0; i < n; i++)
        strcat(text, open);
    strcat(text, "1");
    for (int i = 0; i < n; i++)
        strcat(text, close);
    strcat(text, "}");
    return read_exact(text, strlen(text));
}

static void nesting_is_bounded(void **state)
{
    static const struct {
        const char *open, *close;
    } kinds[] = {{"[", "]"}, {"{\"a\":", "}"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        for (int n = 0; n < 200; n++) {
            CLEANUP(json_decrefp)
            json_t *json = read_nested(kinds[i].open, kinds[i].close, n);

            assert_int_equal(json != NULL, 1 + n <= JSON_DEPTH_MAX);
        }
    }
}

static void a_million_brackets_do_not_overflow_the_stack(void **state)
{
    size_t len = 1000000;
    CLEANUP(freep)
    char *text = malloc(len);

    (void)state;
    memset(text, '[', len);
    assert_null(read_exact(text, len));
    memset(text, '{', len);
    assert_null(read_exact(text, len));
    memset(text, ']', len);
    assert_null(read_exact(text, len));
    memset(text, '"', len);
    assert_null(read_exact(text, len));
    memset(text, '\\', len);
    text[0] = '"'; /* the last backslash would escape the byte after the end */
    assert_null(read_exact(text, len));
}

static void brackets_in_strings_do_not_count(void **state)
{
    static const char text[] = "{\"a\":\"[[[[[[[[[[{{{{{{{{{{\\\"[[[[[[[[[[\\\\\"}";
    CLEANUP(json_decrefp)
    json_t *json = read_exact(text, strlen(text));

    (void)state;
    assert_non_null(json);
}

static void members_are_bounded(void **state)
{
    (void)state;
    for (int n = JSON_MEMBERS_MAX - 2; n < JSON_MEMBERS_MAX + 2; n++) {
        CLEANUP(freep)
        char *text = calloc(1, 20000);
        CLEANUP(json_decrefp)
        json_t *json = NULL;
        size_t len = (size_t)sprintf(text, "{\"l\":[1"); /* two members; n - 2 follow */

        for (int i = 2; i < n; i++)
            len += (size_t)sprintf(text + len, ",1");
        len += (size_t)sprintf(text + len, "]}");
        json = read_exact(text, len);
        assert_int_equal(json != NULL, n <= JSON_MEMBERS_MAX);
    }
}

static void values_are_found(void **state)
{
    static const char text[] =
        "{\"s\":\"b\",\"n\":-5,\"l\":[1,\"x\",{\"y\":\"\"}],\"o\":{\"a\":1}}";
    CLEANUP(freep)
    struct json_value *value = json_value_read(text, strlen(text));
    const struct json_value *list = json_value_member(value, "l");
    size_t n = 0;

    (void)state;
    assert_string_equal(json_value_string(json_value_member(value, "s")), "b");
    assert_int_equal(json_value_member(value, "n")->integer, -5);
    assert_int_equal(json_value_member(json_value_member(value, "o"), "a")->integer, 1);
    JSON_VALUE_FOREACH(element, list)
    {
        n++;
    }
    assert_int_equal(n, 3);
    assert_null(json_value_member(value, "a")); /* only in the object within */
    assert_null(json_value_member(value, "b"));
    assert_null(json_value_member(list, "y"));
    assert_null(json_value_member(json_value_member(value, "s"), "s"));
    assert_null(json_value_member(NULL, "s"));
    assert_null(json_value_string(json_value_member(value, "n")));
    assert_null(json_value_string(list));
    assert_null(json_value_string(NULL));
    assert_null(json_value_read(NULL, 0)); /* an answer without a body */
}

/* The first bytes of a hash can be equal, but not names of so few characters. */
static void many_names_are_told_apart(void **state)
{
    char text[16384] = "{";
    size_t len = 1;

    (void)state;
    for (int i = 0; i < JSON_MEMBERS_MAX; i++) {
        CLEANUP(json_decrefp)
        json_t *unique = NULL;
        CLEANUP(json_decrefp)
        json_t *twice = NULL;

        len += (size_t)sprintf(text + len, "%s\"%d\":1", i ? "," : "", i * 7919);
        if (i % 100 != 99)
            continue;
        strcpy(text + len, "}");
        unique = read_exact(text, len + 1);
        assert_non_null(unique);
        sprintf(text + len, ",\"%d\":1}", (i - 57) * 7919);
        twice = read_exact(text, strlen(text));
        assert_null(twice);
    }
}

/* What mutations start from: all that the readers know. */
static const char *const originals[] = {
    "{\"aud\":[\"urn:pulumi:org:acme\"],\"exp\":1782050000,\"kubernetes.io\":{\"namespace\":\"ci\","
    "\"pod\":{\"name\":\"job-abc\",\"uid\":\"3227b947\"}},\"sub\":\"system:serviceaccount:ci:x\"}",
    "{\"a\":[0,-0,1,-9223372036854775808,9223372036854775807,0.5,1e5,-1.5E-3,1e308,1e+2]}",
    "{\"\\u0061\":\"\\\"\\\\\\/"
    "\\b\\f\\n\\r\\t\\u00e4\\u20ac\\ud83d\\ude00\",\"b\":\"\xc3\xa4\xe2\x82\xac\xf0"
    "\x9f\x98\x80\"}",
    " {\"a\" : {\"a\":{\"a\":[[[[[true]]]]]}}, \"b\":[] ,\"c\":{},\"d\":null,\n\"e\":[false ]\t} ",
};

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13; /* xorshift64 */
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* Replaces, inserts, removes or repeats some bytes; often by what has a meaning. */
static size_t mutate(char *text, size_t len, size_t max, uint64_t *seed)
{
    static const char bytes[] = "{}[]\",:\\u0123456789abdeftrnl+-.E \n\t\x80\xc3\xed\xf0\xff/";
    size_t at = next_random(seed) % len, n = 1 + next_random(seed) % 4;
    char byte =
        next_random(seed) % 8 ? bytes[next_random(seed) % sizeof(bytes)] : (char)next_random(seed);

    n = n > len - at ? len - at : n;
    switch (next_random(seed) % 4) {
    case 0:
        text[at] = byte;
        return len;
    case 1:
        if (len == max)
            return len;
        memmove(text + at + 1, text + at, len - at);
        text[at] = byte;
        return len + 1;
    case 2:
        if (len == n)
            return len;
        memmove(text + at, text + at + n, len - at - n);
        return len - n;
    default:
        n *= 4;
        n = n > len - at ? len - at : n;
        if (len + n > max)
            return len;
        memmove(text + at + n, text + at, len - at);
        return len + n;
    }
}

/* 100,000 texts; 5 million with PODLOGIN_SCALE=full. */
static void mutations_are_read_alike(void **state)
{
    const char *scale = getenv("PODLOGIN_SCALE");
    int n = scale && strcmp(scale, "full") == 0 ? 5000000 : 100000, n_accepted = 0;
    uint64_t seed = 88172645463325252u;

    (void)state;
    for (int i = 0; i < n; i++) {
        const char *original = originals[next_random(&seed) % ARRAY_SIZE(originals)];
        CLEANUP(json_decrefp)
        json_t *json = NULL;
        size_t len = strlen(original);
        char text[512];

        memcpy(text, original, len);
        for (uint64_t mutations = 1 + next_random(&seed) % 3; mutations > 0; mutations--)
            len = mutate(text, len, sizeof(text), &seed);
        json = read_exact(text, len);
        n_accepted += json != NULL;
    }
    assert_in_range(n_accepted, n / 20, n / 2); /* or one side would hardly be tested */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_object_is_read),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(anything_but_one_strict_object_is_refused),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(a_million_brackets_do_not_overflow_the_stack),
        cmocka_unit_test(brackets_in_strings_do_not_count),
        cmocka_unit_test(members_are_bounded),
        cmocka_unit_test(values_are_found),
        cmocka_unit_test(many_names_are_told_apart),
        cmocka_unit_test(mutations_are_read_alike),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
