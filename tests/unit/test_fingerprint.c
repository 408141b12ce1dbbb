/* SHA-256 of the library against that of OpenSSL, and an example of FIPS 180-4. */
#include <openssl/evp.h>

#include "library/fingerprint.h"
#include "support/check.h"

static void the_example_of_the_standard(void **state)
{
    (void)state;
    assert_true(fingerprint("abc", 3) == UINT64_C(0xba7816bf8f01cfea));
    assert_true(fingerprint("", 0) == UINT64_C(0xe3b0c44298fc1c14));
}

/* Each length around one and two blocks, and that of the longest token. */
static void each_length(void **state)
{
    static uint8_t bytes[16384];
    uint8_t digest[32];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7 + i / 256);
    for (size_t len = 0; len <= sizeof(bytes); len += len < 300 ? 1 : sizeof(bytes) - 300) {
        uint64_t expected = 0;

        assert_int_equal(EVP_Digest(bytes, len, digest, NULL, EVP_sha256(), NULL), 1);
        for (size_t i = 0; i < 8; i++)
            expected = expected << 8 | digest[i];
        assert_true(fingerprint(bytes, len) == expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_of_the_standard),
        cmocka_unit_test(each_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
