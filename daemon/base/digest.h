/* SHA-256 digests (FIPS 180-4) of bytes and of lists of strings, and hash maps keyed by them. */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_SIZE 32

struct digest {
    uint8_t bytes[DIGEST_SIZE];
};

/* Returns whether OpenSSL could be set up. If not, memory ran out, and using it would crash. */
bool openssl_is_usable(void);

/* Computes the digest of @len bytes. Verified JWTs are cached by it. Returns 0 or -ENOMEM. */
int digest_of(const void *bytes, size_t len, struct digest *ret_digest);

/*
 * Computes the digest of @n strings. Each string is preceded by its length, so that ("ab", "c") and
 * ("a", "bc") differ. NULL is a value of its own and differs from "". The length is in host byte
 * order, so the digest is the same on machines of the same byte order only. Returns 0 or -ENOMEM.
 */
int digest_of_strings(const char *const *strings, size_t n, struct digest *ret_digest);

/* Writes the first @n bytes in lower-case hexadecimal, and a NUL: 2 * @n + 1 bytes. */
void digest_hex(const struct digest *digest, size_t n, char *ret_hex);

/*
 * A hash map whose nodes are embedded in their owners. The first word of a key is used as its hash.
 * This resists collision attacks because keys are digests of secret or verified bytes, which a peer
 * cannot choose freely.
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

/* Returns the node of @key, or NULL if it is not in the map. */
struct digest_node *digest_map_find(const struct digest_map *map, const struct digest *key);

/*
 * Adds @node, whose key is set and must not be in the map. The node must stay at its address until
 * it is removed. Returns 0 or -ENOMEM.
 */
int digest_map_add(struct digest_map *map, struct digest_node *node);

/* Removes @node, which must be in the map. */
void digest_map_remove(struct digest_map *map, struct digest_node *node);

/* Frees the map's memory, not its nodes. */
void digest_map_done(struct digest_map *map);

#endif
