/* Files with the daemon's own tokens: line ends, sizes, and what is no token. */
#include "identity/token_file.h"

#include "base/file.h"
#include "protocol/messages.h"
#include "support/scratch.h"

static char directory[SCRATCH_MAX], path[SCRATCH_MAX + 16];

static int directory_make(void **state)
{
    (void)state;
    scratch_make(directory, "/tmp");
    snprintf(path, sizeof(path), "%s/token", directory);
    return 0;
}

static int directory_remove(void **state)
{
    (void)state;
    scratch_remove(directory);
    return 0;
}

static int read_back(const char *content, size_t len, struct secret **ret_token)
{
    *ret_token = NULL;
    scratch_write(path, content, len, 0600);
    return token_file_read(path, ret_token);
}

static void a_token_is_read_without_white_space_at_its_end(void **state)
{
    static const struct {
        const char *why, *content, *token; /* NULL: none */
    } cases[] = {
        {"as kubelet writes it", "a.b.c", "a.b.c"},
        {"a newline", "a.b.c\n", "a.b.c"},
        {"an end of line of Windows", "a.b.c\r\n", "a.b.c"},
        {"empty lines and blanks", "a.b.c \t\r\n\r\n", "a.b.c"},
        {"other blanks are not removed", " a. b.c\n", " a. b.c"},
        {"nothing", "", NULL},
        {"only a newline", "\n", NULL},
        {"only white space", " \t\r\n", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(secret_freep)
        struct secret *token = NULL;
        int r = read_back(cases[i].content, strlen(cases[i].content), &token);

        if (r != (cases[i].token ? 0 : -ENODATA))
            fail_msg("%s: %d", cases[i].why, r);
        if (cases[i].token && (token->len != strlen(cases[i].token) ||
                               memcmp(token->bytes, cases[i].token, token->len) != 0))
            fail_msg("%s: another token", cases[i].why);
    }
    assert_string_equal(file_strerror(-ENODATA), "file is empty");
}

static void the_longest_token_may_have_an_end_of_line(void **state)
{
    static const char *const ends[] = {"", "\n", "\r\n"};
    char content[PODLOGIN_JWT_MAX + 4];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        for (size_t len = PODLOGIN_JWT_MAX; len <= PODLOGIN_JWT_MAX + 1; len++) {
            CLEANUP(secret_freep)
            struct secret *token = NULL;

            memset(content, 'a', len);
            strcpy(content + len, ends[i]);
            assert_int_equal(read_back(content, strlen(content), &token),
                             len == PODLOGIN_JWT_MAX ? 0 : -EFBIG);
            assert_true(!token || token->len == len);
        }
    }
}

static void a_file_that_is_not_there_has_no_token(void **state)
{
    struct secret *token = NULL;

    (void)state;
    unlink(path);
    assert_int_equal(token_file_read(path, &token), -ENOENT);
    assert_null(token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_is_read_without_white_space_at_its_end),
        cmocka_unit_test(the_longest_token_may_have_an_end_of_line),
        cmocka_unit_test(a_file_that_is_not_there_has_no_token),
    };

    return cmocka_run_group_tests(tests, directory_make, directory_remove);
}
