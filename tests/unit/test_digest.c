/* Digests of bytes and of lists of strings, and the map keyed by them. */
#include <openssl/sha.h>

#include "base/digest.h"
#include "support/check.h"

static void known_bytes_have_known_digests(void **state)
{
    static const struct {
        const char *text, *hex;
    } cases[] = {
        /* FIPS 180-4 examples */
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char hex[2 * DIGEST_SIZE + 1];
        struct digest digest;

        assert_int_equal(digest_of(cases[i].text, strlen(cases[i].text), &digest), 0);
        digest_hex(&digest, DIGEST_SIZE, hex);
        assert_string_equal(hex, cases[i].hex);
        digest_hex(&digest, 4, hex);
        assert_int_equal(strlen(hex), 8);
        assert_memory_equal(hex, cases[i].hex, 8);
        digest_hex(&digest, 0, hex);
        assert_string_equal(hex, "");
    }
}

static void assert_digest_of_strings(const char *const *strings, size_t n)
{
    static uint8_t framed[16384];
    uint8_t expected[32];
    struct digest digest;
    size_t len = 0;

    for (size_t i = 0; i < n; i++) {
        uint64_t string_len = strings[i] ? strlen(strings[i]) : UINT64_MAX;

        memcpy(framed + len, &string_len, sizeof(string_len));
        len += sizeof(string_len);
        if (strings[i]) {
            memcpy(framed + len, strings[i], string_len);
            len += string_len;
        }
    }
    SHA256(framed, len, expected);
    assert_int_equal(digest_of_strings(strings, n, &digest), 0);
    assert_memory_equal(digest.bytes, expected, DIGEST_SIZE);
}

static void each_string_is_preceded_by_its_length(void **state)
{
    static const char *const strings[] = {"ab", "", NULL, "c"};
    char text[4096];

    (void)state;
    assert_digest_of_strings(strings, ARRAY_SIZE(strings));
    memset(text, 'x', sizeof(text));
    for (size_t len = sizeof(text) - 1; len > 900; len -= 7) {
        const char *const texts[] = {"short", text, NULL, text + len / 2, "", text};

        text[len] = '\0';
        assert_digest_of_strings(texts, 1 + len % ARRAY_SIZE(texts));
    }
}

static void different_lists_have_different_digests(void **state)
{
    static const struct {
        const char *strings[4];
        size_t n;
    } cases[] = {
        {{0}, 0},
        {{""}, 1},
        {{NULL}, 1},
        {{"", ""}, 2},
        {{"", NULL}, 2},
        {{NULL, ""}, 2},
        {{NULL, NULL}, 2},
        {{"a"}, 1},
        {{"a", ""}, 2},
        {{"", "a"}, 2},
        {{"a", NULL}, 2},
        {{"ab", "c"}, 2},
        {{"a", "bc"}, 2},
        {{"abc"}, 1},
        {{"abc", ""}, 2},
        {{"", "abc"}, 2},
        {{"a", "b", "c"}, 3},
        {{"c", "b", "a"}, 3},
        {{"ab", "", "c"}, 3},
        {{"ab", NULL, "c"}, 3},
    };
    struct digest digests[ARRAY_SIZE(cases)];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(digest_of_strings(cases[i].strings, cases[i].n, &digests[i]), 0);
        for (size_t j = 0; j < i; j++)
            if (memcmp(&digests[i], &digests[j], sizeof(digests[i])) == 0)
                fail_msg("rows %zu and %zu have the same digest", j, i);
    }
}

struct owner {
    unsigned number;
    struct digest_node node;
};

#define OWNERS 5000

static struct owner *owners_new(void)
{
    struct owner *owners = calloc(OWNERS, sizeof(*owners));

    assert_non_null(owners);
    for (unsigned i = 0; i < OWNERS; i++) {
        owners[i].number = i;
        assert_int_equal(digest_of(&i, sizeof(i), &owners[i].node.key), 0);
    }
    return owners;
}

static void thousands_are_found_until_they_are_removed(void **state)
{
    CLEANUP(freep)
    struct owner *owners = owners_new();
    struct digest_map map = {0};

    (void)state;
    assert_null(digest_map_find(&map, &owners[0].node.key));
    for (unsigned i = 0; i < OWNERS; i++) {
        assert_null(digest_map_find(&map, &owners[i].node.key));
        assert_int_equal(digest_map_add(&map, &owners[i].node), 0);
        assert_int_equal(map.n, i + 1);
    }
    assert_true(map.n_buckets >= map.n);
    assert_int_equal(map.n_buckets & (map.n_buckets - 1), 0);
    for (unsigned i = 0; i < OWNERS; i++)
        assert_ptr_equal(digest_map_find(&map, &owners[i].node.key), &owners[i].node);
    for (unsigned i = 0; i < OWNERS; i += 3)
        digest_map_remove(&map, &owners[i].node);
    for (unsigned i = 0; i < OWNERS; i++)
        assert_ptr_equal(digest_map_find(&map, &owners[i].node.key),
                         i % 3 ? &owners[i].node : NULL);
    for (unsigned i = 0; i < OWNERS; i += 3)
        assert_int_equal(digest_map_add(&map, &owners[i].node), 0);
    for (unsigned i = OWNERS; i-- > 0;)
        digest_map_remove(&map, &owners[i].node);
    assert_int_equal(map.n, 0);
    assert_null(digest_map_find(&map, &owners[7].node.key));
    digest_map_done(&map);
    assert_null(digest_map_find(&map, &owners[7].node.key));
}

static void keys_of_one_bucket_are_distinguished(void **state)
{
    struct owner owners[40];
    struct digest_map map = {0};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(owners); i++) {
        owners[i].node.key = (struct digest){0};
        owners[i].node.key.bytes[31] = (uint8_t)(i + 1); /* the first word is the hash */
        assert_int_equal(digest_map_add(&map, &owners[i].node), 0);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(owners); i++)
        assert_ptr_equal(digest_map_find(&map, &owners[i].node.key), &owners[i].node);
    assert_null(digest_map_find(&map, &(struct digest){0}));
    digest_map_remove(&map,
                      &owners[39].node); /* the first, a middle and the last node of a chain */
    digest_map_remove(&map, &owners[20].node);
    digest_map_remove(&map, &owners[0].node);
    for (unsigned i = 0; i < ARRAY_SIZE(owners); i++)
        assert_ptr_equal(digest_map_find(&map, &owners[i].node.key),
                         i == 39 || i == 20 || i == 0 ? NULL : &owners[i].node);
    digest_map_done(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_bytes_have_known_digests),
        cmocka_unit_test(each_string_is_preceded_by_its_length),
        cmocka_unit_test(different_lists_have_different_digests),
        cmocka_unit_test(thousands_are_found_until_they_are_removed),
        cmocka_unit_test(keys_of_one_bucket_are_distinguished),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
