/* The configuration reader: how lines are read, and that each error names its line. */
#include "config/ini.h"
#include "support/scratch.h"

struct seen {
    char text[8192];
    const char *refused; /* the key or section that the handler refuses */
    int result;          /* what it returns then */
};

/* Collects "[Section|name]" and "key=value", each on its own line, which shows trailing spaces. */
static int on_line(void *data, const struct ini_line *line, char *ret_error, size_t error_size)
{
    struct seen *seen = data;
    size_t len = strlen(seen->text);

    assert_non_null(line->section);
    if (line->key)
        snprintf(seen->text + len, sizeof(seen->text) - len, "%d %s=%s\n", line->number, line->key,
                 line->value);
    else
        snprintf(seen->text + len, sizeof(seen->text) - len, "%d [%s%s%s]\n", line->number,
                 line->section, line->name ? "|" : "", line->name ? line->name : "");
    if (!seen->refused || strcmp(seen->refused, line->key ? line->key : line->section) != 0)
        return 0;
    snprintf(ret_error, error_size, "not this one");
    return seen->result;
}

static int is_verbatim(const char *section)
{
    return strcmp(section, "Allow") == 0;
}

static int read_exact(const char *text, size_t len, struct seen *seen, char *ret_error)
{
    const struct ini_handler handler = {on_line, is_verbatim, seen};
    CLEANUP(freep)
    char *exact = copy_of(text, len);

    ret_error[0] = '\0';
    return ini_read("test.conf", exact, len, &handler, ret_error);
}

static void valid_lines_are_read(void **state)
{
    static const struct {
        const char *why, *text, *expected;
    } cases[] = {
        {"nothing", "", ""},
        {"blank lines and comments", "\n  \n\t\n# x\n  # y = z\n#\n", ""},
        {"a section", "[A]", "1 [A]\n"},
        {"a section and a newline", "[A]\n", "1 [A]\n"},
        {"spaces around a section", " \t[A] \t", "1 [A]\n"},
        {"spaces in a section", "[ A ]", "1 [A]\n"},
        {"a comment after a section", "[A] # x", "1 [A]\n"},
        {"a section with a name", "[A \"b c\"]", "1 [A|b c]\n"},
        {"a name with brackets, hash and equals", "[A \"[b]#=\"]", "1 [A|[b]#=]\n"},
        {"an empty name", "[A \"\"]", "1 [A|]\n"},
        {"a name and a comment", "[A \"b\"] # \"c\"]", "1 [A|b]\n"},
        {"a name applies to its own section only", "[A \"b\"]\n[C]", "1 [A|b]\n2 [C]\n"},
        {"a setting", "[A]\nk=v", "1 [A]\n2 k=v\n"},
        {"spaces around key and value", "[A]\n\t k \t= \t v \t", "1 [A]\n2 k=v\n"},
        {"spaces in key and value", "[A]\na b=c d", "1 [A]\n2 a b=c d\n"},
        {"an empty value", "[A]\nk=\nl= \nm= # x", "1 [A]\n2 k=\n3 l=\n4 m=\n"},
        {"the first equals sign separates", "[A]\nk=v=w==", "1 [A]\n2 k=v=w==\n"},
        {"a comment after the value", "[A]\nk=v # x", "1 [A]\n2 k=v\n"},
        {"a comment after a tab", "[A]\nk=v\t#x", "1 [A]\n2 k=v\n"},
        {"a hash in the value", "[A]\nk=v#x#", "1 [A]\n2 k=v#x#\n"},
        {"a hash as value", "[A]\nk=#v", "1 [A]\n2 k=\n"},
        {"a semicolon does not begin a comment", "[A]\nk=v ; x", "1 [A]\n2 k=v ; x\n"},
        {"no continuation", "[A]\nk=v\\\nl=w", "1 [A]\n2 k=v\\\n3 l=w\n"},
        {"quotes stay", "[A]\nk=\"v\"", "1 [A]\n2 k=\"v\"\n"},
        {"lines that end in CR LF", "[A]\r\nk=v\r\n\r\nl=w", "1 [A]\n2 k=v\n4 l=w\n"},
        {"UTF-8", "[A]\nk\xc3\xa4=\xe2\x82\xac", "1 [A]\n2 k\xc3\xa4=\xe2\x82\xac\n"},
        {"a repeated setting", "[A]\nk=v\nk=w", "1 [A]\n2 k=v\n3 k=w\n"},
        {"a repeated section", "[A]\n[A]", "1 [A]\n2 [A]\n"},
        {"a quoted key with an equals", "[A]\n\"a=b\".c=d", "1 [A]\n2 \"a=b\".c=d\n"},
        {"a rule is verbatim", "[Allow]\n\"kubernetes.io\".namespace=ci",
         "1 [Allow]\n2 \"kubernetes.io\".namespace=ci\n"},
        {"a rule's hash", "[Allow]\nk=v#x", "1 [Allow]\n2 k=v#x\n"},
        {"a rule that begins with a hash", "[Allow]\nk=#x", "1 [Allow]\n2 k=#x\n"},
        {"a rule's quotes", "[Allow]\nk=\"v\"", "1 [Allow]\n2 k=\"v\"\n"},
        {"a second equals sign in a rule", "[Allow]\nk==v=", "1 [Allow]\n2 k==v=\n"},
        {"spaces in a rule", "[Allow]\nk=a  b c", "1 [Allow]\n2 k=a  b c\n"},
        {"spaces around a rule's key are removed", "[Allow]\n k =v", "1 [Allow]\n2 k=v\n"},
        {"a rule on a line that ends in CR LF", "[Allow]\r\nk=v\r\n", "1 [Allow]\n2 k=v\n"},
        {"only rules are verbatim", "[Allow]\nk=a#b\n[A]\nk=a #b",
         "1 [Allow]\n2 k=a#b\n3 [A]\n4 k=a\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char error[INI_ERROR_MAX];
        struct seen seen = {0};

        if (read_exact(cases[i].text, strlen(cases[i].text), &seen, error) != 0)
            fail_msg("%s: %s", cases[i].why, error);
        if (strcmp(seen.text, cases[i].expected) != 0)
            fail_msg("%s: %s", cases[i].why, seen.text);
    }
}

static void invalid_lines_are_refused_with_their_number(void **state)
{
    static const struct {
        const char *text;
        size_t len; /* 0: strlen(text) */
        const char *error;
    } cases[] = {
        {"k=v", 0, "test.conf:1: the setting is not in a [Section]"},
        {"\n\nk=v", 0, "test.conf:3: the setting is not in"},
        {"\xef\xbb\xbf[A]", 0, "test.conf:1: "},
        {"[A]\nk", 0, "test.conf:2: the line is neither [Section] nor Key=value"},
        {"[A]\nk: v", 0, "test.conf:2: the line is neither"},
        {"[A]\n\"k=v", 0, "test.conf:2: the line is neither"},
        {"[A]\n\"a=b=c", 0, "test.conf:2: the line is neither"},
        {"[A]\n=v", 0, "test.conf:2: the key before = is missing"},
        {"[A]\n \t =v", 0, "test.conf:2: the key before = is missing"},
        {"[A", 0, "test.conf:1: a section must be written [Section]"},
        {"[", 0, "test.conf:1: a section must be written"},
        {"[A\n]", 0, "test.conf:1: a section must be written"},
        {"[A \"b]", 0, "test.conf:1: a section with a name must be written"},
        {"[A \"b\" ]", 0, "test.conf:1: a section with a name must be written"},
        {"[A \"b\"c]", 0, "test.conf:1: a section with a name must be written"},
        {"[A \"b\" \"c\"]", 0, "test.conf:1: a section with a name must be written"},
        {"[A]x", 0, "test.conf:1: only a comment"},
        {"[A]]", 0, "test.conf:1: only a comment"},
        {"[A] k=v", 0, "test.conf:1: only a comment"},
        {"[A] [B]", 0, "test.conf:1: only a comment"},
        {"[A] \"b\"", 0, "test.conf:1: only a comment"},
        {"[A]\nk=\0v", 7, "test.conf:2: the line has a NUL byte"},
        {"[A]\n#\0", 6, "test.conf:2: the line has a NUL byte"},
        {"[A]\n\n[Allow]\nk= v", 0, "test.conf:4: a rule's value is used verbatim"},
        {"[Allow]\nk=\tv", 0, "test.conf:2: a rule's value"},
        {"[Allow]\nk=v ", 0, "test.conf:2: a rule's value"},
        {"[Allow]\nk=v # x", 0, "test.conf:2: a rule's value"},
        {"[Allow]\nk=v\t", 0, "test.conf:2: a rule's value"},
        {"[Allow]\nk= ", 0, "test.conf:2: a rule's value"},
        {"[Allow]\nk = v", 0, "test.conf:2: a rule's value"},
        {"[Allow]\nk=v \r\n", 0, "test.conf:2: a rule's value"},
        {"[A]\nk=a\tb", 0, "test.conf:2: a control character"},
        {"[A]\na\tb=v", 0, "test.conf:2: a control character"},
        {"[A]\nk=\x1b[31m", 0, "test.conf:2: a control character"},
        {"[A]\nk=v\x7f", 0, "test.conf:2: a control character"},
        {"[A]\nk=v\r\r\n", 0, "test.conf:2: a control character"},
        {"[A\x01]", 0, "test.conf:1: a control character"},
        {"[A \"b\tc\"]", 0, "test.conf:1: a control character"},
        {"[Allow]\nk=a\tb", 0, "test.conf:2: a control character"},
        {"[Allow]\nk=a\x0c", 0, "test.conf:2: a control character"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t len = cases[i].len ? cases[i].len : strlen(cases[i].text);
        char error[INI_ERROR_MAX];
        struct seen seen = {0};

        if (read_exact(cases[i].text, len, &seen, error) != -EINVAL ||
            strncmp(error, cases[i].error, strlen(cases[i].error)) != 0)
            fail_msg("row %zu: \"%s\", not \"%s\"", i, error, cases[i].error);
    }
}

static void an_error_of_the_handler_ends_the_reading(void **state)
{
    static const char text[] = "[A]\nk=v\n\n[B]\nl=w\n";
    static const struct {
        const char *refused;
        int result, expected;
        const char *error, *seen;
    } cases[] = {
        {"A", -EINVAL, -EINVAL, "test.conf:1: not this one", "1 [A]\n"},
        {"k", -EINVAL, -EINVAL, "test.conf:2: not this one", "1 [A]\n2 k=v\n"},
        {"l", -EINVAL, -EINVAL, "test.conf:5: not this one", "1 [A]\n2 k=v\n4 [B]\n5 l=w\n"},
        {"B", -ENOMEM, -ENOMEM, "", "1 [A]\n2 k=v\n4 [B]\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct seen seen = {.refused = cases[i].refused, .result = cases[i].result};
        char error[INI_ERROR_MAX];

        assert_int_equal(read_exact(text, strlen(text), &seen, error), cases[i].expected);
        assert_string_equal(error, cases[i].error);
        assert_string_equal(seen.text, cases[i].seen);
    }
}

static void every_truncation_is_read_within_its_bytes(void **state)
{
    static const char text[] = "# x\r\n[A]\nk = v # c\n\n[Allow \"b\"]\n\"x.y\".z=w #\n[C] # d";

    (void)state;
    for (size_t cut = 0; cut <= strlen(text); cut++) {
        char error[INI_ERROR_MAX];
        struct seen seen = {0};
        int r = read_exact(text, cut, &seen, error);

        assert_true(r == 0 || r == -EINVAL);
        assert_int_equal(r == 0, error[0] == '\0');
    }
}

static void a_line_is_never_truncated(void **state)
{
    (void)state;
    for (size_t len = INI_LINE_MAX - 2; len <= INI_LINE_MAX + 1; len++) {
        CLEANUP(freep)
        char *text = calloc(1, len + 8);
        char error[INI_ERROR_MAX];
        struct seen seen = {0};

        strcpy(text, "[A]\nk=");
        memset(text + 6, 'v', len - 2);
        if (len <= INI_LINE_MAX - 1) {
            assert_int_equal(read_exact(text, len + 4, &seen, error), 0);
            assert_int_equal(strlen(seen.text), strlen("1 [A]\n2 ") + len + 1);
        } else {
            assert_int_equal(read_exact(text, len + 4, &seen, error), -EINVAL);
            assert_string_equal(error, "test.conf:2: the line is longer than 4095 bytes");
        }
    }
}

static void long_names_and_errors_stay_within_their_buffers(void **state)
{
    CLEANUP(freep)
    char *text = calloc(1, 3 * INI_LINE_MAX);
    CLEANUP(freep)
    char *path = calloc(1, 2000);
    char error[INI_ERROR_MAX];
    struct seen seen = {0};
    const struct ini_handler handler = {on_line, is_verbatim, &seen};

    (void)state;
    memset(text, 'x', INI_LINE_MAX - 1);
    text[0] = '[';
    text[INI_LINE_MAX - 2] = ']';
    assert_int_equal(read_exact(text, INI_LINE_MAX - 1, &seen, error), 0);
    memcpy(text, "[A \"", 4);
    memcpy(text + INI_LINE_MAX - 3, "\"]", 2);
    assert_int_equal(read_exact(text, INI_LINE_MAX - 1, &seen, error), 0);
    memset(path, 'p', 1999);
    assert_int_equal(ini_read(path, "x", 1, &handler, error), -EINVAL);
    assert_int_equal(strlen(error), INI_ERROR_MAX - 1);
}

static void files_are_read_completely_or_not_at_all(void **state)
{
    static const char text[] = "[A]\nk=v";
    char directory[SCRATCH_MAX], path[SCRATCH_MAX + 16], error[INI_ERROR_MAX];
    CLEANUP(freep)
    char *large = malloc(INI_FILE_MAX + 1);
    struct seen seen = {0};
    const struct ini_handler handler = {on_line, is_verbatim, &seen};

    (void)state;
    scratch_make(directory, "/tmp");
    snprintf(path, sizeof(path), "%s/x.conf", directory);
    assert_int_equal(ini_read_file(path, &handler, error), -ENOENT);
    assert_memory_equal(error, path, strlen(path));
    assert_non_null(strstr(error, "cannot read file"));
    assert_int_equal(ini_read_file(directory, &handler, error), -EISDIR);
    scratch_write(path, text, strlen(text), 0600);
    assert_int_equal(ini_read_file(path, &handler, error), 0);
    assert_string_equal(seen.text, "1 [A]\n2 k=v\n");
    memset(large, '\n', INI_FILE_MAX + 1);
    scratch_write(path, large, INI_FILE_MAX, 0600);
    assert_int_equal(ini_read_file(path, &handler, error), 0);
    scratch_write(path, large, INI_FILE_MAX + 1, 0600);
    assert_int_equal(ini_read_file(path, &handler, error), -EINVAL);
    assert_non_null(strstr(error, "x.conf:1: the file is larger than 256 KiB"));
    scratch_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_lines_are_read),
        cmocka_unit_test(invalid_lines_are_refused_with_their_number),
        cmocka_unit_test(an_error_of_the_handler_ends_the_reading),
        cmocka_unit_test(every_truncation_is_read_within_its_bytes),
        cmocka_unit_test(a_line_is_never_truncated),
        cmocka_unit_test(long_names_and_errors_stay_within_their_buffers),
        cmocka_unit_test(files_are_read_completely_or_not_at_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
