#include "base/digest.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static inline void md_ctx_freep(EVP_MD_CTX **ctx)
{
    EVP_MD_CTX_free(*ctx);
}

bool openssl_is_usable(void)
{
    return OSSL_LIB_CTX_get0_global_default() != NULL;
}

/* Fetched once: a lookup by name costs more than hashing a JWT. */
static const EVP_MD *sha256(void)
{
    static EVP_MD *md;

    if (!md)
        md = EVP_MD_fetch(NULL, "SHA256", NULL);
    return md;
}

int digest_of(const void *bytes, size_t len, struct digest *ret_digest)
{
    return EVP_Digest(bytes, len, ret_digest->bytes, NULL, sha256(), NULL) == 1 ? 0 : -ENOMEM;
}

/* Bytes that wait to be hashed: a call of OpenSSL for each short string costs more than hashing. */
struct hasher {
    EVP_MD_CTX *ctx;
    size_t n;
    uint8_t bytes[1024];
};

static bool flush(struct hasher *hasher)
{
    size_t n = hasher->n;

    hasher->n = 0;
    return EVP_DigestUpdate(hasher->ctx, hasher->bytes, n) == 1;
}

static bool add(struct hasher *hasher, const void *bytes, size_t len)
{
    if (len > sizeof(hasher->bytes) - hasher->n && !flush(hasher))
        return false;
    if (len > sizeof(hasher->bytes))
        return EVP_DigestUpdate(hasher->ctx, bytes, len) == 1;
    memcpy(hasher->bytes + hasher->n, bytes, len);
    hasher->n += len;
    return true;
}

int digest_of_strings(const char *const *strings, size_t n, struct digest *ret_digest)
{
    CLEANUP(md_ctx_freep)
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    __attribute__((uninitialized)) struct hasher hasher;

    if (!ctx || EVP_DigestInit_ex2(ctx, sha256(), NULL) != 1)
        return -ENOMEM;
    hasher.ctx = ctx;
    hasher.n = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t len = strings[i] ? strlen(strings[i]) : UINT64_MAX;

        if (!add(&hasher, &len, sizeof(len)) || (strings[i] && !add(&hasher, strings[i], len)))
            return -ENOMEM;
    }
    if (!flush(&hasher))
        return -ENOMEM;
    return EVP_DigestFinal_ex(ctx, ret_digest->bytes, NULL) == 1 ? 0 : -ENOMEM;
}

void digest_hex(const struct digest *digest, size_t n, char *ret_hex)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        ret_hex[2 * i] = digits[digest->bytes[i] >> 4];
        ret_hex[2 * i + 1] = digits[digest->bytes[i] & 15];
    }
    ret_hex[2 * n] = '\0';
}

static struct digest_node **bucket_of(const struct digest_map *map, const struct digest *key)
{
    uint64_t word;

    memcpy(&word, key->bytes, sizeof(word));
    return &map->buckets[word & (map->n_buckets - 1)];
}

struct digest_node *digest_map_find(const struct digest_map *map, const struct digest *key)
{
    if (!map->n)
        return NULL;
    for (struct digest_node *node = *bucket_of(map, key); node; node = node->next)
        if (memcmp(&node->key, key, sizeof(*key)) == 0)
            return node;
    return NULL;
}

static int digest_map_grow(struct digest_map *map)
{
    struct digest_map bigger = {.n_buckets = map->n_buckets ? map->n_buckets * 2 : 64};

    bigger.buckets = calloc(bigger.n_buckets, sizeof(struct digest_node *));
    if (!bigger.buckets)
        return -ENOMEM;
    for (size_t i = 0; i < map->n_buckets; i++) {
        for (struct digest_node *node = map->buckets[i], *next; node; node = next) {
            struct digest_node **bucket = bucket_of(&bigger, &node->key);

            next = node->next;
            node->next = *bucket;
            *bucket = node;
        }
    }
    bigger.n = map->n;
    free(map->buckets);
    *map = bigger;
    return 0;
}

int digest_map_add(struct digest_map *map, struct digest_node *node)
{
    struct digest_node **bucket;

    if (map->n == map->n_buckets) {
        int r = digest_map_grow(map);

        if (r < 0)
            return r;
    }
    bucket = bucket_of(map, &node->key);
    node->next = *bucket;
    *bucket = node;
    map->n++;
    return 0;
}

void digest_map_remove(struct digest_map *map, struct digest_node *node)
{
    struct digest_node **at = bucket_of(map, &node->key);

    while (*at != node) {
        assert(*at);
        at = &(*at)->next;
    }
    *at = node->next;
    map->n--;
}

void digest_map_done(struct digest_map *map)
{
    free(map->buckets);
    *map = (struct digest_map){0};
}
