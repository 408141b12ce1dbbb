/* The configuration reader: how lines are read, and that each error names its line. */
#include "config/ini.h"
#include "support/scratch.h"

struct seen {
    char text[8192];
    const char *refused; /* the key or section that the handler refuses */
    int result;          /* what it returns then */
    struct findings *findings;
};

/* Collects "[Section|name]" and "key=value", each on its own line, which shows trailing spaces. */
static int on_line(void *data, const struct ini_line *line)
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
    findings_error(seen->findings, line->number, "not this one");
    return seen->result;
}

static int is_verbatim(const char *section)
{
    return strcmp(section, "Allow") == 0;
}

static struct findings findings;

/* Reads an exact copy, and returns what ini_read() does. The findings are in `findings`. */
static int read_exact(const char *text, size_t len, struct seen *seen)
{
    const struct ini_handler handler = {on_line, is_verbatim, seen};
    CLEANUP(freep)
    char *exact = copy_of(text, len);

    findings = (struct findings){0};
    findings_begin(&findings, "test.conf");
    seen->findings = &findings;
    return ini_read(exact, len, &handler, &findings);
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
        struct seen seen = {0};

        if (read_exact(cases[i].text, strlen(cases[i].text), &seen) != 0 || findings.n)
            fail_msg("%s: %s", cases[i].why, findings.list[0].text);
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
        {"\xef\xbb\xbf[A]\nk=v", 0, "test.conf:1: the file begins with a byte order mark (BOM)"},
        {"\xff\xfe[\0A\0]\0\n\0", 10,
         "test.conf:1: the file begins with the byte order mark (BOM) of UTF-16"},
        {"\xfe\xff\0[\0A\0]", 8,
         "test.conf:1: the file begins with the byte order mark (BOM) of UTF-16"},
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
        struct seen seen = {0};
        const char *error = findings.list[0].text;

        assert_int_equal(read_exact(cases[i].text, len, &seen), 0);
        if (findings.n != 1 || findings.n_errors != 1 ||
            strncmp(error, cases[i].error, strlen(cases[i].error)) != 0)
            fail_msg("row %zu: \"%s\", not \"%s\"", i, findings.n ? error : "none", cases[i].error);
    }
}

static void reading_goes_on_after_an_error(void **state)
{
    static const char text[] = "[A]\nk=v\n\n[B]\nl=w\n";
    static const struct {
        const char *refused;
        int result, expected;
        const char *error, *seen;
    } cases[] = {
        {"A", -EINVAL, 0, "test.conf:1: not this one", "1 [A]\n4 [B]\n5 l=w\n"},
        {"B", -EINVAL, 0, "test.conf:4: not this one", "1 [A]\n2 k=v\n4 [B]\n"},
        {"k", -EINVAL, 0, "test.conf:2: not this one", "1 [A]\n2 k=v\n4 [B]\n5 l=w\n"},
        {"k", 0, 0, "test.conf:2: not this one", "1 [A]\n2 k=v\n4 [B]\n5 l=w\n"},
        {"B", -ENOMEM, -ENOMEM, "test.conf:4: not this one", "1 [A]\n2 k=v\n4 [B]\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct seen seen = {.refused = cases[i].refused, .result = cases[i].result};

        assert_int_equal(read_exact(text, strlen(text), &seen), cases[i].expected);
        assert_int_equal(findings.n, 1);
        assert_string_equal(findings.list[0].text, cases[i].error);
        assert_string_equal(seen.text, cases[i].seen);
    }
}

static void each_mistake_is_told_once(void **state)
{
    static const char text[] = "k=v\nl=w\n[A\nm=n\n[B]\nno\no=p\n=q\n[Allow]\nr= s\nt=u\n";
    static const char *const errors[] = {
        "test.conf:1: the setting is not in a [Section]",
        "test.conf:3: a section must be written [Section]",
        "test.conf:6: the line is neither [Section] nor Key=value",
        "test.conf:8: the key before = is missing",
        "test.conf:10: a rule's value is used verbatim",
    };
    struct seen seen = {0};

    (void)state;
    assert_int_equal(read_exact(text, strlen(text), &seen), 0);
    assert_int_equal(findings.n, ARRAY_SIZE(errors));
    for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
        assert_memory_equal(findings.list[i].text, errors[i], strlen(errors[i]));
    assert_string_equal(seen.text, "5 [B]\n7 o=p\n9 [Allow]\n11 t=u\n");
}

static void findings_are_bounded_and_in_order(void **state)
{
    (void)state;
    findings = (struct findings){0};
    findings_begin(&findings, "a");
    findings_warning(&findings, 7, "seven");
    findings_begin(&findings, "b");
    for (int i = FINDINGS_MAX; i > 1; i--)
        findings_add(&findings, i % 2, i, "%d", i);
    assert_int_equal(findings.n, FINDINGS_MAX);
    assert_int_equal(findings.n_omitted, 0);
    assert_string_equal(findings.list[0].text, "a:7: seven");
    for (int i = 2; i <= FINDINGS_MAX; i++)
        assert_int_equal(findings.list[i - 1].line, i);
    /* an error is not omitted, a warning is */
    findings_warning(&findings, 1, "omitted");
    findings_error(&findings, 1, "not omitted");
    assert_int_equal(findings.n, FINDINGS_MAX);
    assert_int_equal(findings.n_omitted, 2);
    assert_string_equal(findings.list[1].text, "b:1: not omitted");
    assert_int_equal(findings.list[FINDINGS_MAX - 1].line, FINDINGS_MAX - 1);
    for (int i = 0; i < 100; i++)
        findings_error(&findings, 100, "more");
    assert_int_equal(findings.n, FINDINGS_MAX);
    assert_int_equal(findings.n + findings.n_omitted, FINDINGS_MAX + 102);
    for (size_t i = 0; i < findings.n; i++)
        assert_true(findings.list[i].is_error);
}

static void every_truncation_is_read_within_its_bytes(void **state)
{
    static const char text[] = "# x\r\n[A]\nk = v # c\n\n[Allow \"b\"]\n\"x.y\".z=w #\n[C] # d";

    (void)state;
    for (size_t cut = 0; cut <= strlen(text); cut++) {
        struct seen seen = {0};

        assert_int_equal(read_exact(text, cut, &seen), 0);
        assert_true(findings.n <= 2); /* a rule with a comment, and an incomplete line */
    }
}

static void a_line_is_never_truncated(void **state)
{
    (void)state;
    for (size_t len = INI_LINE_MAX - 2; len <= INI_LINE_MAX + 1; len++) {
        CLEANUP(freep)
        char *text = calloc(1, len + 8);
        struct seen seen = {0};

        strcpy(text, "[A]\nk=");
        memset(text + 6, 'v', len - 2);
        if (len <= INI_LINE_MAX - 1) {
            assert_int_equal(read_exact(text, len + 4, &seen), 0);
            assert_int_equal(findings.n, 0);
            assert_int_equal(strlen(seen.text), strlen("1 [A]\n2 ") + len + 1);
        } else {
            assert_int_equal(read_exact(text, len + 4, &seen), 0);
            assert_string_equal(findings.list[0].text,
                                "test.conf:2: the line is longer than 4095 bytes");
        }
    }
}

static void long_names_and_errors_stay_within_their_buffers(void **state)
{
    CLEANUP(freep)
    char *text = calloc(1, 3 * INI_LINE_MAX);
    CLEANUP(freep)
    char *path = calloc(1, 2000);
    struct seen seen = {0};
    const struct ini_handler handler = {on_line, is_verbatim, &seen};

    (void)state;
    memset(text, 'x', INI_LINE_MAX - 1);
    text[0] = '[';
    text[INI_LINE_MAX - 2] = ']';
    assert_int_equal(read_exact(text, INI_LINE_MAX - 1, &seen), 0);
    memcpy(text, "[A \"", 4);
    memcpy(text + INI_LINE_MAX - 3, "\"]", 2);
    assert_int_equal(read_exact(text, INI_LINE_MAX - 1, &seen), 0);
    memset(path, 'p', 1999);
    findings = (struct findings){0};
    findings_begin(&findings, path);
    assert_int_equal(ini_read("x", 1, &handler, &findings), 0);
    assert_int_equal(strlen(findings.list[0].text), FINDING_MAX - 1);
}

static struct seen seen_in_file;

/* Reads the file. Returns the first finding, or "". */
static const char *read_file(const char *path)
{
    const struct ini_handler handler = {on_line, is_verbatim, &seen_in_file};

    findings = (struct findings){0};
    seen_in_file = (struct seen){.findings = &findings};
    findings_begin(&findings, path);
    assert_int_equal(ini_read_file(path, &handler, &findings), 0);
    return findings.list[0].text;
}

static void files_are_read_completely_or_not_at_all(void **state)
{
    static const char text[] = "[A]\nk=v";
    char directory[SCRATCH_MAX], path[SCRATCH_MAX + 16];
    CLEANUP(freep)
    char *large = malloc(INI_FILE_MAX + 1);

    (void)state;
    scratch_make(directory, "/tmp");
    snprintf(path, sizeof(path), "%s/x.conf", directory);
    assert_memory_equal(read_file(path), path, strlen(path));
    assert_non_null(strstr(findings.list[0].text, "x.conf: cannot read file: No such file"));
    assert_non_null(strstr(read_file(directory), "cannot read file: Is a directory"));
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_non_null(strstr(read_file(path), "x.conf: cannot read file: not a regular file"));
    assert_int_equal(unlink(path), 0);
    scratch_write(path, text, strlen(text), 0600);
    assert_string_equal(read_file(path), "");
    assert_string_equal(seen_in_file.text, "1 [A]\n2 k=v\n");
    memset(large, '\n', INI_FILE_MAX + 1);
    scratch_write(path, large, INI_FILE_MAX, 0600);
    assert_string_equal(read_file(path), "");
    scratch_write(path, large, INI_FILE_MAX + 1, 0600);
    assert_non_null(strstr(read_file(path), "x.conf:1: the file is larger than 256 KiB"));
    scratch_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_lines_are_read),
        cmocka_unit_test(invalid_lines_are_refused_with_their_number),
        cmocka_unit_test(reading_goes_on_after_an_error),
        cmocka_unit_test(each_mistake_is_told_once),
        cmocka_unit_test(findings_are_bounded_and_in_order),
        cmocka_unit_test(every_truncation_is_read_within_its_bytes),
        cmocka_unit_test(a_line_is_never_truncated),
        cmocka_unit_test(long_names_and_errors_stay_within_their_buffers),
        cmocka_unit_test(files_are_read_completely_or_not_at_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
