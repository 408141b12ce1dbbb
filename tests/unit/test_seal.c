/* Sealing: every bit counts, and a key that others could know or replace is not taken. */
#include <linux/magic.h>
#include <sys/statfs.h>

#include "log.h"
#include "scratch.h"
#include "seal.h"

static const uint8_t key_bytes[SEAL_KEY_SIZE] = "0123456789abcdef0123456789abcde";

static char key_directory[SCRATCH_MAX], data_directory[SCRATCH_MAX];

static int make(void **state)
{
    (void)state;
    scratch_make(key_directory, "/tmp");
    scratch_make(data_directory, "/tmp");
    return 0;
}

static int clean(void **state)
{
    (void)state;
    scratch_remove(key_directory);
    scratch_remove(data_directory);
    return 0;
}

static void what_is_sealed_is_opened(void **state)
{
    struct seal seal;
    uint8_t plain[300], sealed[300 + SEAL_OVERHEAD];

    (void)state;
    for (size_t i = 0; i < sizeof(plain); i++)
        plain[i] = (uint8_t)i;
    assert_int_equal(seal_init_key(&seal, key_bytes), 0);
    for (size_t len = 0; len <= sizeof(plain); len++) {
        CLEANUP(freep)
        uint8_t *exact = NULL, *opened = malloc(len + 1);

        assert_int_equal(seal_close(&seal, plain, len, "ad", 2, sealed), 0);
        exact = copy_of(sealed, len + SEAL_OVERHEAD);
        assert_int_equal(seal_open(&seal, exact, len + SEAL_OVERHEAD, "ad", 2, opened), 0);
        assert_memory_equal(opened, plain, len);
    }
    seal_done(&seal);
}

static void every_flipped_bit_is_refused(void **state)
{
    struct seal seal;
    uint8_t sealed[40 + SEAL_OVERHEAD], associated[16] = "associated data", opened[40];

    (void)state;
    assert_int_equal(seal_init_key(&seal, key_bytes), 0);
    assert_int_equal(seal_close(&seal, "0123456789012345678901234567890123456789", 40, associated,
                                sizeof(associated), sealed),
                     0);
    for (size_t bit = 0; bit < 8 * sizeof(sealed); bit++) {
        sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(
            seal_open(&seal, sealed, sizeof(sealed), associated, sizeof(associated), opened),
            -EBADMSG);
        sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t bit = 0; bit < 8 * sizeof(associated); bit++) {
        associated[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(
            seal_open(&seal, sealed, sizeof(sealed), associated, sizeof(associated), opened),
            -EBADMSG);
        associated[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(
        seal_open(&seal, sealed, sizeof(sealed), associated, sizeof(associated) - 1, opened),
        -EBADMSG);
    assert_int_equal(seal_open(&seal, sealed, sizeof(sealed), NULL, 0, opened), -EBADMSG);
    assert_int_equal(
        seal_open(&seal, sealed, sizeof(sealed), associated, sizeof(associated), opened), 0);
    seal_done(&seal);
}

static void every_truncation_is_refused(void **state)
{
    struct seal seal;
    uint8_t sealed[40 + SEAL_OVERHEAD], opened[41];

    (void)state;
    assert_int_equal(seal_init_key(&seal, key_bytes), 0);
    assert_int_equal(seal_close(&seal, sealed, 40, "ad", 2, sealed), 0);
    for (size_t cut = 0; cut < sizeof(sealed); cut++) {
        CLEANUP(freep)
        uint8_t *exact = copy_of(sealed, cut);

        assert_int_equal(seal_open(&seal, exact, cut, "ad", 2, opened), -EBADMSG);
    }
    seal_done(&seal);
}

static void another_key_opens_nothing_and_has_other_names(void **state)
{
    uint8_t other_bytes[SEAL_KEY_SIZE], sealed[4 + SEAL_OVERHEAD], opened[4];
    struct digest key = {{1}}, second = {{2}}, name, other_name;
    struct seal seal, other;

    (void)state;
    memcpy(other_bytes, key_bytes, sizeof(other_bytes));
    other_bytes[31] ^= 1;
    assert_int_equal(seal_init_key(&seal, key_bytes), 0);
    assert_int_equal(seal_init_key(&other, other_bytes), 0);
    assert_int_equal(seal_close(&seal, "text", 4, NULL, 0, sealed), 0);
    assert_int_equal(seal_open(&other, sealed, sizeof(sealed), NULL, 0, opened), -EBADMSG);
    assert_memory_not_equal(seal.id, other.id, SEAL_ID_SIZE);
    assert_int_equal(seal_name(&seal, &key, &name), 0);
    assert_int_equal(seal_name(&other, &key, &other_name), 0);
    assert_memory_not_equal(&name, &other_name, sizeof(name));
    assert_memory_not_equal(&name, &key, sizeof(name));
    assert_int_equal(seal_name(&seal, &second, &other_name), 0);
    assert_memory_not_equal(&name, &other_name, sizeof(name));
    assert_int_equal(seal_name(&seal, &key, &other_name), 0);
    assert_memory_equal(&name, &other_name, sizeof(name));
    seal_done(&seal);
    seal_done(&other);
}

static void no_nonce_and_no_key_is_used_for_two_things(void **state)
{
    enum {
        N = 2000
    };
    static uint8_t sealed[N][4 + SEAL_OVERHEAD];
    struct seal seal;

    (void)state;
    assert_int_equal(seal_init_key(&seal, key_bytes), 0);
    assert_memory_not_equal(seal.key->bytes, key_bytes, SEAL_KEY_SIZE);
    assert_memory_not_equal(seal.index_key->bytes, key_bytes, SEAL_KEY_SIZE);
    assert_memory_not_equal(seal.key->bytes, seal.index_key->bytes, SEAL_KEY_SIZE);
    assert_memory_not_equal(seal.key->bytes, seal.id, SEAL_ID_SIZE);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(seal_close(&seal, "text", 4, NULL, 0, sealed[i]), 0);
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(sealed[i], sealed[j], SEAL_NONCE);
    }
    seal_done(&seal);
}

/* seal_init() with a key file of @len bytes and @mode; the error goes to @ret_error. */
static int init_from_file(const char *path, char ret_error[SEAL_ERROR_MAX])
{
    char setting[2 * SCRATCH_MAX], data[2 * SCRATCH_MAX];
    struct seal seal;
    int r;

    snprintf(setting, sizeof(setting), "file:%s", path);
    snprintf(data, sizeof(data), "%s/cache.db", data_directory);
    r = seal_init(&seal, setting, data, ret_error);
    if (r < 0)
        assert_true(strlen(ret_error) > 10);
    seal_done(&seal);
    return r;
}

static void key_files_are_32_bytes_that_only_their_owner_can_read(void **state)
{
    static const struct {
        const char *why;
        size_t len;
        mode_t mode;
        int result;
    } cases[] = {
        {"0600", 32, 0600, 0},
        {"0400", 32, 0400, 0},
        {"readable for the group", 32, 0640, -EPERM},
        {"readable for all", 32, 0604, -EPERM},
        {"writable for the group", 32, 0620, -EPERM},
        {"executable for all", 32, 0601, -EPERM},
        {"0644", 32, 0644, -EPERM},
        {"0777", 32, 0777, -EPERM},
        {"empty", 0, 0600, -EBADMSG},
        {"short", 31, 0600, -EBADMSG},
        {"long", 33, 0600, -EBADMSG},
        {"hexadecimal", 64, 0600, -EBADMSG},
    };
    char path[SCRATCH_MAX + 16];

    (void)state;
    snprintf(path, sizeof(path), "%s/key", key_directory);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint8_t bytes[64] = {1, 2, 3};
        char error[SEAL_ERROR_MAX];
        int r;

        remove(path);
        scratch_write(path, bytes, cases[i].len, cases[i].mode);
        r = init_from_file(path, error);
        if (r != cases[i].result)
            fail_msg("%s: %d, %s", cases[i].why, r, error);
        if (r < 0)
            assert_non_null(strstr(error, path));
    }
}

static void a_key_of_another_user_is_refused(void **state)
{
    char path[SCRATCH_MAX + 16], error[SEAL_ERROR_MAX];

    (void)state;
    if (geteuid() != 0)
        skip(); /* nobody else can give a file away */
    snprintf(path, sizeof(path), "%s/key", key_directory);
    scratch_write(path, key_bytes, sizeof(key_bytes), 0600);
    assert_int_equal(chown(path, 12345, 12345), 0);
    assert_int_equal(init_from_file(path, error), -EPERM);
}

static void what_is_no_regular_file_is_refused(void **state)
{
    char path[SCRATCH_MAX + 16], other[SCRATCH_MAX + 16], error[SEAL_ERROR_MAX];

    (void)state;
    snprintf(path, sizeof(path), "%s/key", key_directory);
    snprintf(other, sizeof(other), "%s/link", key_directory);
    assert_int_equal(init_from_file(path, error), -ENOENT);
    scratch_write(path, key_bytes, sizeof(key_bytes), 0600);
    assert_int_equal(symlink(path, other), 0);
    assert_int_equal(init_from_file(other, error), -ELOOP);
    assert_int_equal(init_from_file(key_directory, error), -EPERM);
    assert_int_equal(init_from_file("/dev/zero", error), -EPERM);
}

static void a_key_file_gives_the_same_key_each_time(void **state)
{
    char path[SCRATCH_MAX + 16], setting[SCRATCH_MAX + 32], error[SEAL_ERROR_MAX];
    struct seal from_file, from_bytes;

    (void)state;
    snprintf(path, sizeof(path), "%s/key", key_directory);
    snprintf(setting, sizeof(setting), "file:%s", path);
    scratch_write(path, key_bytes, sizeof(key_bytes), 0600);
    assert_int_equal(seal_init(&from_file, setting, data_directory, error), 0);
    assert_int_equal(seal_init_key(&from_bytes, key_bytes), 0);
    assert_memory_equal(from_file.id, from_bytes.id, SEAL_ID_SIZE);
    seal_done(&from_file);
    seal_done(&from_bytes);
}

static void a_key_beside_the_data_is_refused(void **state)
{
    char path[SCRATCH_MAX + 16], error[SEAL_ERROR_MAX], spellings[4][3 * SCRATCH_MAX];

    (void)state;
    snprintf(path, sizeof(path), "%s/key", data_directory);
    scratch_write(path, key_bytes, sizeof(key_bytes), 0600);
    snprintf(spellings[0], sizeof(spellings[0]), "%s/key", data_directory);
    snprintf(spellings[1], sizeof(spellings[1]), "%s//key", data_directory);
    snprintf(spellings[2], sizeof(spellings[2]), "%s/./key", data_directory);
    snprintf(spellings[3], sizeof(spellings[3]), "%s/../%s/key", data_directory,
             strrchr(data_directory, '/') + 1);
    for (size_t i = 0; i < ARRAY_SIZE(spellings); i++) {
        assert_int_equal(init_from_file(spellings[i], error), -EPERM);
        assert_non_null(strstr(error, "keep it elsewhere"));
    }
}

static bool is_tmpfs(const char *path)
{
    struct statfs fs;

    return statfs(path, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}

static void a_runtime_key_is_made_once_and_found_again(void **state)
{
    char directory[SCRATCH_MAX], path[SCRATCH_MAX + 16], error[SEAL_ERROR_MAX];
    struct seal first, second;
    struct stat st;

    (void)state;
    if (!is_tmpfs("/dev/shm"))
        skip();
    scratch_make(directory, "/dev/shm");
    setenv("RUNTIME_DIRECTORY", directory, 1);
    snprintf(path, sizeof(path), "%s/cache.key", directory);
    assert_int_equal(seal_init(&first, "runtime", data_directory, error), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_size, SEAL_KEY_SIZE);
    assert_int_equal(seal_init(&second, "runtime", data_directory, error), 0);
    assert_memory_equal(first.id, second.id, SEAL_ID_SIZE);
    seal_done(&second);
    assert_int_equal(remove(path), 0);
    assert_int_equal(seal_init(&second, "runtime", data_directory, error), 0);
    assert_memory_not_equal(first.id, second.id, SEAL_ID_SIZE);
    seal_done(&first);
    seal_done(&second);
    /* a key that is there and no good is not replaced: something is wrong with this node */
    scratch_write(path, key_bytes, 16, 0600);
    assert_int_equal(seal_init(&first, "runtime", data_directory, error), -EBADMSG);
    scratch_write(path, key_bytes, sizeof(key_bytes), 0644);
    assert_int_equal(seal_init(&first, "runtime", data_directory, error), -EPERM);
    unsetenv("RUNTIME_DIRECTORY");
    scratch_remove(directory);
}

static void a_runtime_directory_on_a_disk_is_refused(void **state)
{
    char error[SEAL_ERROR_MAX], path[SCRATCH_MAX + 16];
    struct seal seal;

    (void)state;
    if (is_tmpfs(key_directory))
        skip();
    setenv("RUNTIME_DIRECTORY", key_directory, 1);
    assert_int_equal(seal_init(&seal, "runtime", data_directory, error), -EPERM);
    assert_non_null(strstr(error, "CacheKey=file:"));
    snprintf(path, sizeof(path), "%s/cache.key", key_directory);
    assert_int_equal(access(path, F_OK), -1);
    setenv("RUNTIME_DIRECTORY", "/proc/self/none", 1);
    assert_true(seal_init(&seal, "runtime", data_directory, error) < 0);
    assert_non_null(strstr(error, "/proc/self/none"));
    unsetenv("RUNTIME_DIRECTORY");
}

/* "the database, in whose directory the key must not be": also where the key is made at runtime */
static void a_runtime_key_beside_the_data_is_refused(void **state)
{
    char directory[SCRATCH_MAX], data[SCRATCH_MAX + 16], error[SEAL_ERROR_MAX];
    struct seal seal;
    int r;

    (void)state;
    if (!is_tmpfs("/dev/shm"))
        skip();
    scratch_make(directory, "/dev/shm");
    setenv("RUNTIME_DIRECTORY", directory, 1);
    snprintf(data, sizeof(data), "%s/cache.db", directory);
    r = seal_init(&seal, "runtime", data, error);
    seal_done(&seal);
    unsetenv("RUNTIME_DIRECTORY");
    scratch_remove(directory);
    assert_int_equal(r, -EPERM);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_sealed_is_opened),
        TEST(every_flipped_bit_is_refused),
        TEST(every_truncation_is_refused),
        TEST(another_key_opens_nothing_and_has_other_names),
        TEST(no_nonce_and_no_key_is_used_for_two_things),
        TEST(key_files_are_32_bytes_that_only_their_owner_can_read),
        TEST(a_key_of_another_user_is_refused),
        TEST(what_is_no_regular_file_is_refused),
        TEST(a_key_file_gives_the_same_key_each_time),
        TEST(a_key_beside_the_data_is_refused),
        TEST(a_runtime_key_is_made_once_and_found_again),
        TEST(a_runtime_directory_on_a_disk_is_refused),
        TEST(a_runtime_key_beside_the_data_is_refused),
    };

    log_init("test_seal", -1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
