/* Sealing: any changed bit is detected. */
#include <sys/wait.h>
#include <unistd.h>

#include "store/seal.h"
#include "support/check.h"

static const uint8_t key_bytes[SEAL_KEY_SIZE] = "0123456789abcdef0123456789abcde";

static void sealed_bytes_can_be_opened(void **state)
{
    struct seal seal;
    uint8_t plain[300], sealed[300 + SEAL_OVERHEAD];

    (void)state;
    for (size_t i = 0; i < sizeof(plain); i++)
        plain[i] = (uint8_t)i;
    assert_int_equal(seal_init(&seal, key_bytes), 0);
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
    assert_int_equal(seal_init(&seal, key_bytes), 0);
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
    assert_int_equal(seal_init(&seal, key_bytes), 0);
    assert_int_equal(seal_close(&seal, sealed, 40, "ad", 2, sealed), 0);
    for (size_t cut = 0; cut < sizeof(sealed); cut++) {
        CLEANUP(freep)
        uint8_t *exact = copy_of(sealed, cut);

        assert_int_equal(seal_open(&seal, exact, cut, "ad", 2, opened), -EBADMSG);
    }
    seal_done(&seal);
}

static void another_key_opens_nothing_and_gives_other_names(void **state)
{
    uint8_t other_bytes[SEAL_KEY_SIZE], sealed[4 + SEAL_OVERHEAD], opened[4];
    struct digest key = {{1}}, second = {{2}}, name, other_name;
    struct seal seal, other;

    (void)state;
    memcpy(other_bytes, key_bytes, sizeof(other_bytes));
    other_bytes[31] ^= 1;
    assert_int_equal(seal_init(&seal, key_bytes), 0);
    assert_int_equal(seal_init(&other, other_bytes), 0);
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

static void no_key_is_used_twice(void **state)
{
    struct seal seal;

    (void)state;
    assert_int_equal(seal_init(&seal, key_bytes), 0);
    assert_memory_not_equal(seal.key->bytes, key_bytes, SEAL_KEY_SIZE);
    assert_memory_not_equal(seal.index_key->bytes, key_bytes, SEAL_KEY_SIZE);
    assert_memory_not_equal(seal.key->bytes, seal.index_key->bytes, SEAL_KEY_SIZE);
    assert_memory_not_equal(seal.key->bytes, seal.id, SEAL_ID_SIZE);
    seal_done(&seal);
}

enum {
    NONCES = 500, /* of each start */
    STARTS = 6,
};

/* Writes the nonces of one start to @fd. Returns whether all went well. */
static bool write_nonces(int fd)
{
    struct seal seal;
    bool is_good = seal_init(&seal, key_bytes) == 0;

    for (size_t i = 0; i < NONCES && is_good; i++) {
        uint8_t sealed[4 + SEAL_OVERHEAD];

        is_good = seal_close(&seal, "text", 4, NULL, 0, sealed) == 0 &&
                  write(fd, sealed, SEAL_NONCE) == SEAL_NONCE;
    }
    seal_done(&seal);
    return is_good;
}

static int compare_nonces(const void *one, const void *other)
{
    return memcmp(one, other, SEAL_NONCE);
}

/* A key lives longer than a process: two nonces that are the same reveal both texts. */
static void no_nonce_is_used_twice_in_any_process(void **state)
{
    static uint8_t nonces[STARTS * NONCES][SEAL_NONCE];
    FILE *file = tmpfile();

    (void)state;
    assert_non_null(file);
    for (int i = 0; i < STARTS; i++) {
        pid_t pid = i % 2 ? fork() : -1; /* again in this process, or in another one */
        int status = 0;

        if (pid == 0)
            _exit(!write_nonces(fileno(file)));
        if (pid < 0)
            assert_true(write_nonces(fileno(file)));
        else
            assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
    assert_int_equal(pread(fileno(file), nonces, sizeof(nonces), 0), sizeof(nonces));
    fclose(file);
    qsort(nonces, STARTS * NONCES, SEAL_NONCE, compare_nonces);
    for (size_t i = 1; i < STARTS * NONCES; i++)
        assert_memory_not_equal(nonces[i - 1], nonces[i], SEAL_NONCE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sealed_bytes_can_be_opened),
        cmocka_unit_test(every_flipped_bit_is_refused),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(another_key_opens_nothing_and_gives_other_names),
        cmocka_unit_test(no_key_is_used_twice),
        cmocka_unit_test(no_nonce_is_used_twice_in_any_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
