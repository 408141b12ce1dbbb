/* SipHash-1-3, against the values of Linux's lib/siphash_kunit.c (hsiphash on 64-bit machines). */
#include "base/keyed_hash.h"
#include "support/check.h"

static void known_hashes_are_computed(void **state)
{
    static const uint32_t low_words[] = {
        0x050fc4dc, 0x7d57ca93, 0x4dc7d44d, 0xe7ddf7fb, 0x88d38328, 0x49533b67,
        0xc59f22a7, 0x9bb11140, 0x8d299a8e, 0x6c063de4, 0x92ff097f, 0xf94dc352,
        0x57b4d9a2, 0x1229ffa7, 0xc0f95d34, 0x2a519956,
    };
    static const struct hash_key key = {{0x0706050403020100, 0x0f0e0d0c0b0a0908}};
    uint8_t bytes[ARRAY_SIZE(low_words)];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)i;
    for (size_t len = 0; len < ARRAY_SIZE(low_words); len++) {
        CLEANUP(freep)
        void *exact = copy_of(bytes, len);

        assert_int_equal((uint32_t)keyed_hash(&key, exact, len), low_words[len]);
    }
}

static void keys_differ(void **state)
{
    struct hash_key one, other;

    (void)state;
    assert_int_equal(hash_key_init(&one), 0);
    assert_int_equal(hash_key_init(&other), 0);
    assert_true(keyed_hash(&one, "a", 1) != keyed_hash(&other, "a", 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_hashes_are_computed),
        cmocka_unit_test(keys_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
