/* SHA-256 (FIPS 180-4) over parts that cannot run into each other, and maps keyed by it. */
#ifndef DIGEST_H
#define DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define DIGEST_SIZE 32

struct digest {
    uint8_t bytes[DIGEST_SIZE];
};

/* Of one run of bytes: what a verified JWT is remembered by. 0 or -ENOMEM. */
int digest_of(const void *bytes, size_t len, struct digest *ret_digest);

/*
 * Of a sequence of strings, each preceded by its length, so that ("ab", "c") and ("a", "bc")
 * differ. NULL counts as a value of its own. 0 or -ENOMEM.
 */
int digest_of_strings(const char *const *strings, size_t n, struct digest *ret_digest);

/* Lower-case hexadecimal of the first @n bytes; @ret_hex has 2 * n + 1 bytes. */
void digest_hex(const struct digest *digest, size_t n, char *ret_hex);

/*
 * A hash map whose nodes live inside their owners. Keys are digests of secret or verified bytes, so
 * their first word is as good as a hash; nobody can choose it freely.
 */
struct digest_node {
    struct digest_node *next;
    struct digest key;
};

struct digest_map {
    struct digest_node **buckets;
    size_t n_buckets; /* a power of two */
    size_t n;
};

struct digest_node *digest_map_find(const struct digest_map *map, const struct digest *key);

/* @node->key is set and not in the map yet. 0 or -ENOMEM. */
int digest_map_add(struct digest_map *map, struct digest_node *node);

/* @node is in the map. */
void digest_map_remove(struct digest_map *map, struct digest_node *node);

void digest_map_done(struct digest_map *map);

#endif
