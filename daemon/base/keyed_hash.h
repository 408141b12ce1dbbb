/*
 * SipHash-1-3 (Aumasson and Bernstein), for hash maps whose keys peers choose: without the key,
 * nobody finds two inputs with the same hash.
 */
#ifndef BASE_KEYED_HASH_H
#define BASE_KEYED_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash_key {
    uint64_t words[2];
};

/* Makes a random key. Returns 0 or -errno. */
int hash_key_init(struct hash_key *ret_key);

/* Returns the hash of @len bytes. */
uint64_t keyed_hash(const struct hash_key *key, const void *bytes, size_t len);

#endif
