#include "base/keyed_hash.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

int hash_key_init(struct hash_key *ret_key)
{
    ssize_t n = getrandom(ret_key, sizeof(*ret_key), 0);

    return n == sizeof(*ret_key) ? 0 : n < 0 ? -errno : -EIO;
}

static uint64_t rotate(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

static void mix(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static void add(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    mix(v);
    v[0] ^= word;
}

uint64_t keyed_hash(const struct hash_key *key, const void *bytes, size_t len)
{
    const uint64_t k0 = key->words[0], k1 = key->words[1];
    /* "somepseudorandomlygeneratedbytes" */
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
                     k1 ^ 0x7465646279746573};
    const uint8_t *at = bytes, *end = at + len / 8 * 8;
    uint64_t word;

    for (; at < end; at += 8) {
        memcpy(&word, at, 8);
        add(v, le64toh(word));
    }
    word = 0;
    memcpy(&word, at, len % 8);
    add(v, le64toh(word) | (uint64_t)len << 56);
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        mix(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
