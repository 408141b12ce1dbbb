/* The key that seals the cache: a key that others could know or replace is refused. */
#include <linux/magic.h>
#include <sys/statfs.h>

#include "base/log.h"
#include "store/key.h"
#include "support/scratch.h"

static const uint8_t key_bytes[SEAL_KEY_SIZE] = "0123456789abcdef0123456789ghijk";

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

static const char *data(void)
{
    static char path[SCRATCH_MAX + 16];

    snprintf(path, sizeof(path), "%s/cache.db", data_directory);
    return path;
}

/* Calls cache_keys_load() with a key file of @len bytes and @mode. */
static int init_from_file(const char *path, char ret_error[KEY_ERROR_MAX])
{
    char setting[4 * SCRATCH_MAX];
    struct cache_keys keys;
    int r;

    snprintf(setting, sizeof(setting), "file:%s", path);
    r = cache_keys_load(setting, data(), false, NULL, &keys, ret_error);
    if (r < 0)
        assert_true(strlen(ret_error) > 10);
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
        {"readable by the group", 32, 0640, -EPERM},
        {"readable by all", 32, 0604, -EPERM},
        {"writable by the group", 32, 0620, -EPERM},
        {"executable by all", 32, 0601, -EPERM},
        {"0644", 32, 0644, -EPERM},
        {"0777", 32, 0777, -EPERM},
        {"empty", 0, 0600, -EBADMSG},
        {"short", 31, 0600, -EBADMSG},
        {"long", 33, 0600, -EBADMSG},
        {"two keys", 64, 0600, 0},
        {"two keys and a byte", 65, 0600, -EBADMSG},
    };
    char path[SCRATCH_MAX + 16];

    (void)state;
    snprintf(path, sizeof(path), "%s/key", key_directory);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint8_t bytes[65] = {1, 2, 3};
        char error[KEY_ERROR_MAX];
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
    char path[SCRATCH_MAX + 16], error[KEY_ERROR_MAX];

    (void)state;
    if (geteuid() != 0)
        skip_because("needs root, to change the owner of a file");
    snprintf(path, sizeof(path), "%s/key", key_directory);
    scratch_write(path, key_bytes, sizeof(key_bytes), 0600);
    assert_int_equal(chown(path, 12345, 12345), 0);
    assert_int_equal(init_from_file(path, error), -EPERM);
}

static void a_key_that_is_not_a_regular_file_is_refused(void **state)
{
    char path[SCRATCH_MAX + 16], error[KEY_ERROR_MAX];

    (void)state;
    snprintf(path, sizeof(path), "%s/key", key_directory);
    assert_int_equal(init_from_file(path, error), -ENOENT);
    assert_int_equal(init_from_file(key_directory, error), -EPERM);
    assert_int_equal(init_from_file("/dev/zero", error), -EPERM);
    assert_int_equal(symlink("/dev/zero", path), 0);
    assert_int_equal(init_from_file(path, error), -EPERM);
    remove(path);
    assert_int_equal(symlink(path, path), 0);
    assert_int_equal(init_from_file(path, error), -ELOOP);
}

/* Links @path to @target, a file of the mode @mode with a key in it, and loads that. */
static int init_from_link(const char *path, const char *target, mode_t mode, char *ret_error)
{
    remove(path);
    remove(target);
    scratch_write(target, key_bytes, sizeof(key_bytes), mode);
    assert_int_equal(symlink(target, path), 0);
    return init_from_file(path, ret_error);
}

/* As kubelet writes a Secret volume: key -> ..data/key, ..data -> a directory with a date. */
static void a_key_in_a_secret_volume_is_read(void **state)
{
    char path[SCRATCH_MAX + 32], error[KEY_ERROR_MAX];

    (void)state;
    snprintf(path, sizeof(path), "%s/..2026_11_26", key_directory);
    assert_int_equal(mkdir(path, 0755), 0);
    snprintf(path, sizeof(path), "%s/..data", key_directory);
    assert_int_equal(symlink("..2026_11_26", path), 0);
    snprintf(path, sizeof(path), "%s/..data/key", key_directory);
    scratch_write(path, key_bytes, sizeof(key_bytes), 0400);
    snprintf(path, sizeof(path), "%s/key", key_directory);
    assert_int_equal(symlink("..data/key", path), 0);
    assert_int_equal(init_from_file(path, error), 0);
}

static void the_file_that_a_link_leads_to_is_checked(void **state)
{
    char path[SCRATCH_MAX + 16], target[SCRATCH_MAX + 16], error[KEY_ERROR_MAX];

    (void)state;
    snprintf(path, sizeof(path), "%s/key", key_directory);
    snprintf(target, sizeof(target), "%s/target", key_directory);
    assert_int_equal(init_from_link(path, target, 0600, error), 0);
    assert_int_equal(init_from_link(path, target, 0640, error), -EPERM);
    snprintf(target, sizeof(target), "%s/key", data_directory);
    assert_int_equal(init_from_link(path, target, 0600, error), -EPERM);
    assert_non_null(strstr(error, "is in the directory of the cache"));
    remove(target);
}

static void a_file_holds_one_key_or_two(void **state)
{
    char path[SCRATCH_MAX + 16], setting[SCRATCH_MAX + 32], error[KEY_ERROR_MAX];
    uint8_t bytes[64];
    struct cache_keys keys;

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(200 + i);
    snprintf(path, sizeof(path), "%s/key", key_directory);
    snprintf(setting, sizeof(setting), "file:%s", path);
    scratch_write(path, bytes, 32, 0600);
    assert_int_equal(cache_keys_load(setting, data(), false, NULL, &keys, error), 0);
    assert_memory_equal(keys.current, bytes, 32);
    assert_false(keys.has_previous);
    scratch_write(path, bytes, 64, 0600);
    assert_int_equal(cache_keys_load(setting, data(), false, NULL, &keys, error), 0);
    assert_memory_equal(keys.current, bytes, 32);
    assert_memory_equal(keys.previous, bytes + 32, 32);
    assert_true(keys.has_previous);
}

static void keys_that_are_not_random_are_refused(void **state)
{
    static const char *const cases[] = {
        "0123456789abcdef0123456789ABCDEF",
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    };
    char path[SCRATCH_MAX + 16], error[KEY_ERROR_MAX];
    uint8_t zeros[32] = {0};

    (void)state;
    snprintf(path, sizeof(path), "%s/key", key_directory);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        scratch_write(path, cases[i], strlen(cases[i]), 0600);
        assert_int_equal(init_from_file(path, error), -EBADMSG);
    }
    scratch_write(path, zeros, sizeof(zeros), 0600);
    assert_int_equal(init_from_file(path, error), -EBADMSG);
}

/* As systemd creates them: in a directory of the service, readable by an ACL. */
static void a_credential_is_found_by_its_name(void **state)
{
    char path[SCRATCH_MAX + 16], error[KEY_ERROR_MAX];
    struct cache_keys keys;

    (void)state;
    snprintf(path, sizeof(path), "%s/podlogin", key_directory);
    scratch_write(path, key_bytes, sizeof(key_bytes), 0440);
    unsetenv("CREDENTIALS_DIRECTORY");
    assert_int_equal(cache_keys_load("credential:podlogin", data(), false, NULL, &keys, error),
                     -ENOENT);
    assert_non_null(strstr(error, "LoadCredential=podlogin"));
    setenv("CREDENTIALS_DIRECTORY", key_directory, 1);
    assert_int_equal(cache_keys_load("credential:podlogin", data(), false, NULL, &keys, error), 0);
    assert_memory_equal(keys.current, key_bytes, 32);
    assert_int_equal(cache_keys_load("credential:other", data(), false, NULL, &keys, error),
                     -ENOENT);
    assert_int_equal(chmod(path, 0444), 0);
    assert_int_equal(cache_keys_load("credential:podlogin", data(), false, NULL, &keys, error),
                     -EPERM);
    unsetenv("CREDENTIALS_DIRECTORY");
}

static void a_key_in_the_directory_of_the_data_is_refused(void **state)
{
    char path[SCRATCH_MAX + 16], error[KEY_ERROR_MAX], spellings[4][3 * SCRATCH_MAX];

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
        assert_non_null(strstr(error, "CacheKeyBesideCache=yes"));
    }
}

static void a_key_below_the_data_is_refused_unless_it_is_allowed(void **state)
{
    char path[SCRATCH_MAX + 16], setting[SCRATCH_MAX + 32];
    char error[KEY_ERROR_MAX];
    struct cache_keys keys;

    (void)state;
    snprintf(path, sizeof(path), "%s/keys", data_directory);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/keys/key", data_directory);
    scratch_write(path, key_bytes, sizeof(key_bytes), 0600);
    assert_int_equal(init_from_file(path, error), -EPERM);
    snprintf(setting, sizeof(setting), "file:%s", path);
    assert_int_equal(cache_keys_load(setting, data(), true, NULL, &keys, error), 0);
    /* the prefix is a part of the name, not a parent directory */
    snprintf(path, sizeof(path), "%sx", data_directory);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%sx/key", data_directory);
    scratch_write(path, key_bytes, sizeof(key_bytes), 0600);
    assert_int_equal(init_from_file(path, error), 0);
    snprintf(path, sizeof(path), "%sx", data_directory);
    scratch_remove(path);
}

static bool is_tmpfs(const char *path)
{
    struct statfs fs;

    return statfs(path, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}

static void a_runtime_key_is_created_once_and_found_again(void **state)
{
    char directory[SCRATCH_MAX], path[SCRATCH_MAX + 16], error[KEY_ERROR_MAX];
    struct cache_keys first, second;
    struct stat st;

    (void)state;
    if (!is_tmpfs("/dev/shm"))
        skip_because("needs a tmpfs at /dev/shm");
    scratch_make(directory, "/dev/shm");
    setenv("RUNTIME_DIRECTORY", directory, 1);
    snprintf(path, sizeof(path), "%s/cache.key", directory);
    assert_int_equal(cache_keys_check("runtime", data(), false, NULL, error), 0);
    assert_int_equal(access(path, F_OK), -1); /* looking creates nothing */
    assert_int_equal(cache_keys_load("runtime", data(), false, NULL, &first, error), 0);
    assert_int_equal(cache_keys_check("runtime", data(), false, NULL, error), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_size, SEAL_KEY_SIZE);
    assert_int_equal(cache_keys_load("runtime", data(), false, NULL, &second, error), 0);
    assert_memory_equal(first.current, second.current, SEAL_KEY_SIZE);
    assert_int_equal(remove(path), 0);
    assert_int_equal(cache_keys_load("runtime", data(), false, NULL, &second, error), 0);
    assert_memory_not_equal(first.current, second.current, SEAL_KEY_SIZE);
    /* an invalid key is not replaced, because something is wrong with this node */
    scratch_write(path, key_bytes, 16, 0600);
    assert_int_equal(cache_keys_load("runtime", data(), false, NULL, &first, error), -EBADMSG);
    scratch_write(path, key_bytes, sizeof(key_bytes), 0644);
    assert_int_equal(cache_keys_load("runtime", data(), false, NULL, &first, error), -EPERM);
    unsetenv("RUNTIME_DIRECTORY");
    scratch_remove(directory);
}

static void a_runtime_directory_on_a_disk_is_refused(void **state)
{
    char error[KEY_ERROR_MAX], path[SCRATCH_MAX + 16];
    struct cache_keys keys;

    (void)state;
    if (is_tmpfs(key_directory))
        skip_because("needs a temporary directory on a disk");
    setenv("RUNTIME_DIRECTORY", key_directory, 1);
    assert_int_equal(cache_keys_load("runtime", data(), false, NULL, &keys, error), -EPERM);
    assert_non_null(strstr(error, "CacheKey=file:"));
    snprintf(path, sizeof(path), "%s/cache.key", key_directory);
    assert_int_equal(access(path, F_OK), -1);
    setenv("RUNTIME_DIRECTORY", "/proc/self/none", 1);
    assert_true(cache_keys_load("runtime", data(), false, NULL, &keys, error) < 0);
    assert_non_null(strstr(error, "/proc/self/none"));
    assert_int_equal(cache_keys_check("runtime", data(), false, NULL, error), 0);
    unsetenv("RUNTIME_DIRECTORY");
}

/* The key must not be in the directory of the database, even if the daemon creates it. */
static void a_runtime_key_in_the_directory_of_the_data_is_refused(void **state)
{
    char directory[SCRATCH_MAX], data[SCRATCH_MAX + 16], error[KEY_ERROR_MAX];
    struct cache_keys keys;
    int r;

    (void)state;
    if (!is_tmpfs("/dev/shm"))
        skip_because("needs a tmpfs at /dev/shm");
    scratch_make(directory, "/dev/shm");
    setenv("RUNTIME_DIRECTORY", directory, 1);
    snprintf(data, sizeof(data), "%s/cache.db", directory);
    r = cache_keys_load("runtime", data, false, NULL, &keys, error);
    unsetenv("RUNTIME_DIRECTORY");
    scratch_remove(directory);
    assert_int_equal(r, -EPERM);
}

/* Pods mount the directory of the socket, so they can read what is in it. */
static void nothing_is_kept_in_the_directory_of_the_socket(void **state)
{
    char directory[SCRATCH_MAX], path[SCRATCH_MAX + 32], socket[SCRATCH_MAX + 32];
    char below[SCRATCH_MAX + 32], setting[SCRATCH_MAX + 48], error[KEY_ERROR_MAX];
    struct cache_keys keys;

    (void)state;
    if (!is_tmpfs("/dev/shm"))
        skip_because("needs a tmpfs at /dev/shm");
    scratch_make(directory, "/dev/shm");
    setenv("RUNTIME_DIRECTORY", directory, 1);
    snprintf(socket, sizeof(socket), "%s/socket", directory);
    snprintf(path, sizeof(path), "%s/cache.key", directory);
    assert_int_equal(cache_keys_load("runtime", data(), false, socket, &keys, error), -EPERM);
    assert_non_null(strstr(error, "in the directory of the socket"));
    assert_int_equal(access(path, F_OK), -1);
    /* below it, and above it */
    snprintf(below, sizeof(below), "%s/keys", directory);
    setenv("RUNTIME_DIRECTORY", below, 1);
    assert_int_equal(cache_keys_load("runtime", data(), false, socket, &keys, error), -EPERM);
    snprintf(socket, sizeof(socket), "%s/sockets/socket", directory);
    assert_int_equal(cache_keys_load("runtime", data(), false, socket, &keys, error), 0);
    /* a key file, and the cache, in a directory that is not there yet */
    snprintf(setting, sizeof(setting), "file:%s/keys/cache.key", directory);
    snprintf(path, sizeof(path), "%s/sockets/cache.db", directory);
    assert_int_equal(cache_keys_load(setting, path, false, socket, &keys, error), -EPERM);
    assert_non_null(strstr(error, "the cache"));
    assert_int_equal(cache_keys_load(setting, data(), false, socket, &keys, error), 0);
    snprintf(socket, sizeof(socket), "%s/keys/socket", directory);
    assert_int_equal(cache_keys_load(setting, data(), false, socket, &keys, error), -EPERM);
    /* a link there, which root in a pod may replace, to a key elsewhere */
    snprintf(socket, sizeof(socket), "%s/sockets/socket", directory);
    snprintf(path, sizeof(path), "%s/sockets", directory);
    assert_int_equal(mkdir(path, 0755), 0);
    snprintf(path, sizeof(path), "%s/sockets/cache.key", directory);
    assert_int_equal(symlink("../keys/cache.key", path), 0);
    snprintf(setting, sizeof(setting), "file:%s", path);
    assert_int_equal(cache_keys_load(setting, data(), false, NULL, &keys, error), 0);
    assert_int_equal(cache_keys_load(setting, data(), false, socket, &keys, error), -EPERM);
    assert_non_null(strstr(error, path));
    unsetenv("RUNTIME_DIRECTORY");
    scratch_remove(directory);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(key_files_are_32_bytes_that_only_their_owner_can_read),
        TEST(a_key_of_another_user_is_refused),
        TEST(a_key_that_is_not_a_regular_file_is_refused),
        TEST(a_key_in_a_secret_volume_is_read),
        TEST(the_file_that_a_link_leads_to_is_checked),
        TEST(a_file_holds_one_key_or_two),
        TEST(keys_that_are_not_random_are_refused),
        TEST(a_credential_is_found_by_its_name),
        TEST(a_key_below_the_data_is_refused_unless_it_is_allowed),
        TEST(a_key_in_the_directory_of_the_data_is_refused),
        TEST(a_runtime_key_is_created_once_and_found_again),
        TEST(a_runtime_directory_on_a_disk_is_refused),
        TEST(a_runtime_key_in_the_directory_of_the_data_is_refused),
        TEST(nothing_is_kept_in_the_directory_of_the_socket),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
