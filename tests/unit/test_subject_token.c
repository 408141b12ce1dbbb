/* Which file the pod's own token is read from, and which files are refused. */
#include "library/subject_token.h"

#include <pthread.h>
#include <unistd.h>

#include "library/client.h"
#include "support/scratch.h"

static char directory[SCRATCH_MAX], path[SCRATCH_MAX + 16];

static int make(void **state)
{
    (void)state;
    scratch_make(directory, "/tmp");
    snprintf(path, sizeof(path), "%s/token", directory);
    unsetenv("PODLOGIN_TOKEN_FILE");
    unsetenv("AWS_WEB_IDENTITY_TOKEN_FILE");
    return 0;
}

static int clean(void **state)
{
    (void)state;
    scratch_remove(directory);
    return 0;
}

static int token_read(const char *file, struct subject_token *token)
{
    const struct deadline deadline = {clock_ms() + 10000, -1};

    return subject_token_read(file, &deadline, token);
}

static void trailing_white_space_is_removed(void **state)
{
    static const struct {
        const char *text, *token;
        int result;
    } cases[] = {
        {"a.b.c", "a.b.c", 0},        {"a.b.c\n", "a.b.c", 0}, {"a.b.c\r\n", "a.b.c", 0},
        {"a.b.c \t\n\n", "a.b.c", 0}, {"", "", -ENODATA},      {"\n", "", -ENODATA},
        {" \t\r\n", "", -ENODATA},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(freep)
        struct subject_token *token = malloc(sizeof(*token));

        scratch_write(path, cases[i].text, strlen(cases[i].text), 0600);
        assert_int_equal(token_read(path, token), cases[i].result);
        assert_ptr_equal(token->path, path);
        assert_int_equal(token->len, strlen(cases[i].token));
        assert_memory_equal(token->bytes, cases[i].token, token->len);
    }
}

static void a_token_has_at_most_8192_bytes(void **state)
{
    static const struct {
        size_t len;
        const char *end;
        int result;
    } cases[] = {
        {PODLOGIN_JWT_MAX, "", 0},
        {PODLOGIN_JWT_MAX, "\n", 0},
        {PODLOGIN_JWT_MAX, "\r\n", 0},
        {PODLOGIN_JWT_MAX + 1, "", -EFBIG},
        {PODLOGIN_JWT_MAX + 2, "", -EFBIG},
        {PODLOGIN_JWT_MAX + 3, "\n", -EFBIG},
        {100000, "\n", -EFBIG},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(freep)
        struct subject_token *token = malloc(sizeof(*token));
        CLEANUP(freep)
        char *text = calloc(1, cases[i].len + 8);

        memset(text, 'a', cases[i].len);
        strcat(text, cases[i].end);
        scratch_write(path, text, strlen(text), 0600);
        assert_int_equal(token_read(path, token), cases[i].result);
    }
}

static void the_first_file_that_exists_is_read(void **state)
{
    CLEANUP(freep)
    struct subject_token *token = malloc(sizeof(*token));
    char other[SCRATCH_MAX + 16], missing[SCRATCH_MAX + 16];

    (void)state;
    snprintf(other, sizeof(other), "%s/other", directory);
    snprintf(missing, sizeof(missing), "%s/missing", directory);
    scratch_write(path, "first", 5, 0600);
    scratch_write(other, "second", 6, 0600);
    setenv("AWS_WEB_IDENTITY_TOKEN_FILE", other, 1);
    assert_int_equal(token_read(NULL, token), 0);
    assert_int_equal(token->len, 6);
    setenv("PODLOGIN_TOKEN_FILE", path, 1);
    assert_int_equal(token_read(NULL, token), 0);
    assert_int_equal(token->len, 5);
    setenv("PODLOGIN_TOKEN_FILE", "", 1); /* an empty value means not set */
    assert_int_equal(token_read(NULL, token), 0);
    assert_int_equal(token->len, 6);
    setenv("PODLOGIN_TOKEN_FILE", missing, 1); /* there is no fallback for a named file */
    assert_int_equal(token_read(NULL, token), -ENOENT);
    assert_int_equal(token_read(missing, token), -ENOENT);
    unsetenv("PODLOGIN_TOKEN_FILE");
    setenv("AWS_WEB_IDENTITY_TOKEN_FILE", missing, 1);
    assert_int_equal(token_read(NULL, token), -ENOENT);
    assert_null(token->path);
    unsetenv("AWS_WEB_IDENTITY_TOKEN_FILE");
}

static void bytes_that_no_token_has_are_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } cases[] = {
        {"a.b.c\0", 6},
        {"a.b.c\0\n", 7},
        {"a.b.c\n\0", 7},
        {"\0", 1},
        {" a.b.c", 6},
        {"a\nb\n", 4},
        {"a b", 3},
        {"a.b\tc", 5},
        {"\xef\xbb\xbf"
         "a.b",
         6},
        {"a\0.\0b\0", 6},
        {"a.b.\x7f", 5},
        {"a.b.\xff", 5},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(freep)
        struct subject_token *token = malloc(sizeof(*token));

        scratch_write(path, cases[i].bytes, cases[i].len, 0600);
        assert_int_equal(token_read(path, token), -EILSEQ);
    }
}

static void a_directory_or_a_device_is_no_token(void **state)
{
    CLEANUP(freep)
    struct subject_token *token = malloc(sizeof(*token));

    (void)state;
    assert_int_equal(token_read(directory, token), -EISDIR);
    assert_int_equal(token_read("/dev/null", token), -ENODATA);
    assert_int_equal(token_read("/dev/zero", token), -EFBIG);
}

/* Opens the pipe as a writer, when it has a reader, and writes the pieces. */
struct writer {
    const char *pipe;
    const char *const *pieces;
};

static void *writer_run(void *data)
{
    const struct writer *writer = data;
    int fd = open(writer->pipe, O_WRONLY | O_CLOEXEC);

    for (const char *const *piece = writer->pieces; *piece; piece++) {
        usleep(10000);
        assert_int_equal(write(fd, *piece, strlen(*piece)), (ssize_t)strlen(*piece));
    }
    usleep(10000);
    close(fd);
    return NULL;
}

static void a_pipe_is_waited_for(void **state)
{
    static const struct {
        const char *pieces[4];
        const char *token;
        int result;
    } cases[] = {
        {{"a.b.c"}, "a.b.c", 0},
        {{"a.", "b.c", "\n"}, "a.b.c", 0},
        {{NULL}, "", -ENODATA},
        {{"\n"}, "", -ENODATA},
    };
    char fifo[SCRATCH_MAX + 16];

    (void)state;
    snprintf(fifo, sizeof(fifo), "%s/fifo", directory);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct writer writer = {fifo, cases[i].pieces};
        CLEANUP(freep)
        struct subject_token *token = malloc(sizeof(*token));
        pthread_t thread;

        assert_int_equal(pthread_create(&thread, NULL, writer_run, &writer), 0);
        assert_int_equal(token_read(fifo, token), cases[i].result);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(token->len, strlen(cases[i].token));
        assert_memory_equal(token->bytes, cases[i].token, token->len);
    }
}

static void a_pipe_is_not_waited_for_after_the_deadline(void **state)
{
    CLEANUP(freep)
    struct subject_token *token = malloc(sizeof(*token));
    struct deadline deadline = {clock_ms() + 20, -1};
    char pipe_path[32];
    int pair[2], cancel[2];

    (void)state;
    assert_int_equal(pipe(pair), 0);
    snprintf(pipe_path, sizeof(pipe_path), "/proc/self/fd/%d", pair[0]);
    assert_int_equal(subject_token_read(pipe_path, &deadline, token), -ETIME);
    assert_int_equal(write(pair[1], "a.b.c", 5), 5); /* without the end, it may be half a token */
    deadline.at_ms = clock_ms() + 20;
    assert_int_equal(subject_token_read(pipe_path, &deadline, token), -ETIME);
    deadline.at_ms = clock_ms() + 10000;
    assert_int_equal(pipe(cancel), 0);
    deadline.cancel_fd = cancel[0];
    close(cancel[1]);
    assert_int_equal(subject_token_read(pipe_path, &deadline, token), -ECANCELED);
    close(cancel[0]);
    close(pair[0]);
    close(pair[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trailing_white_space_is_removed),
        cmocka_unit_test(a_token_has_at_most_8192_bytes),
        cmocka_unit_test(the_first_file_that_exists_is_read),
        cmocka_unit_test(bytes_that_no_token_has_are_refused),
        cmocka_unit_test(a_directory_or_a_device_is_no_token),
        cmocka_unit_test(a_pipe_is_waited_for),
        cmocka_unit_test(a_pipe_is_not_waited_for_after_the_deadline),
    };

    return cmocka_run_group_tests(tests, make, clean);
}
