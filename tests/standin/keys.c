#include "standin/keys.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <string.h>

#include "standin/encoding.h"
#include "standin/memory.h"

struct key *key_ref(struct key *key)
{
    atomic_fetch_add(&key->references, 1);
    return key;
}

void key_unref(struct key *key)
{
    if (!key || atomic_fetch_sub(&key->references, 1) > 1)
        return;
    EVP_PKEY_free(key->pair);
    json_decref(key->jwk);
    free(key->kid);
    free(key);
}

/* Encodes a number of the key as base64url. @width is 0 for RSA, where no zeros are added. */
static char *parameter_encode(EVP_PKEY *pair, const char *name, size_t width)
{
    CLEANUP(freep) uint8_t *bytes = NULL;
    BIGNUM *number = NULL;

    if (EVP_PKEY_get_bn_param(pair, name, &number) != 1)
        must(NULL);
    if (width == 0)
        width = (size_t)BN_num_bytes(number);
    bytes = must_alloc(width);
    if (BN_bn2binpad(number, bytes, (int)width) < 0)
        must(NULL);
    BN_free(number);
    return base64url_encode(bytes, width);
}

/* Sets the kid and the JWK (RFC 7517; RFC 7518, section 6). */
static void key_describe(struct key *key)
{
    const struct jws_algorithm *algorithm = key->algorithm;
    bool is_rsa = algorithm->family != JWS_ECDSA;
    size_t width = algorithm->coordinate_bytes;
    CLEANUP(freep)
    char *first = parameter_encode(
        key->pair, is_rsa ? OSSL_PKEY_PARAM_RSA_N : OSSL_PKEY_PARAM_EC_PUB_X, width);
    CLEANUP(freep)
    char *second = parameter_encode(
        key->pair, is_rsa ? OSSL_PKEY_PARAM_RSA_E : OSSL_PKEY_PARAM_EC_PUB_Y, width);
    CLEANUP(freep) char *canonical = NULL; /* members in the order of RFC 7638, section 3.2 */
    uint8_t digest[SHA256_DIGEST_LENGTH];

    if (is_rsa)
        canonical = must_print("{\"e\":\"%s\",\"kty\":\"RSA\",\"n\":\"%s\"}", second, first);
    else
        canonical = must_print("{\"crv\":\"%s\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}",
                               algorithm->curve, first, second);
    SHA256((const uint8_t *)canonical, strlen(canonical), digest);
    key->kid = base64url_encode(digest, sizeof(digest));
    if (is_rsa)
        key->jwk =
            must(json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "use", "sig", "kty", "RSA", "kid",
                           key->kid, "alg", algorithm->name, "n", first, "e", second));
    else
        key->jwk = must(json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "use", "sig", "kty", "EC",
                                  "kid", key->kid, "alg", algorithm->name, "crv", algorithm->curve,
                                  "x", first, "y", second));
}

static struct key *key_new(const struct jws_algorithm *algorithm, int rsa_bits)
{
    CLEANUP(key_unrefp) struct key *key = must_alloc(sizeof(*key));

    atomic_init(&key->references, 1);
    key->algorithm = algorithm;
    if (algorithm->family == JWS_ECDSA)
        key->pair = EVP_EC_gen(algorithm->curve);
    else
        key->pair = EVP_RSA_gen((size_t)rsa_bits);
    if (!key->pair)
        return NULL;
    key_describe(key);
    return TAKE_PTR(key);
}

/* Adds the number that a member of the JWK encodes. Returns false if there is none. */
static bool parameter_add(OSSL_PARAM_BLD *builder, const json_t *jwk, const char *member,
                          const char *name, BIGNUM **ret_number)
{
    const char *text = json_string_value(json_object_get(jwk, member));
    CLEANUP(freep) uint8_t *bytes = NULL;
    size_t len;

    if (!text || base64url_decode(text, strlen(text), &bytes, &len) < 0)
        return false;
    *ret_number = must(BN_bin2bn(bytes, (int)len, NULL));
    return OSSL_PARAM_BLD_push_BN(builder, name, *ret_number) == 1;
}

/* Adds the point (x, y) of the JWK, uncompressed. */
static bool point_add(OSSL_PARAM_BLD *builder, const json_t *jwk, const char *curve, size_t width,
                      uint8_t **ret_point)
{
    static const char *const members[] = {"x", "y"};
    uint8_t *point = *ret_point = must_alloc(1 + 2 * width);

    point[0] = 4;
    for (size_t i = 0; i < 2; i++) {
        const char *text = json_string_value(json_object_get(jwk, members[i]));
        CLEANUP(freep) uint8_t *bytes = NULL;
        size_t len;

        if (!text || base64url_decode(text, strlen(text), &bytes, &len) < 0 || len != width)
            return false;
        memcpy(point + 1 + i * width, bytes, width);
    }
    return OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, curve, 0) == 1 &&
           OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point,
                                            1 + 2 * width) == 1;
}

static EVP_PKEY *public_key_new(OSSL_PARAM_BLD *builder, const char *type)
{
    OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *pair = NULL;

    if (!parameters || !context || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &pair, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
        pair = NULL;
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(parameters);
    return pair;
}

struct key *key_import(const json_t *jwk)
{
    const char *alg = json_string_value(json_object_get(jwk, "alg"));
    const struct jws_algorithm *algorithm = alg ? jws_algorithm_find(alg) : NULL;
    OSSL_PARAM_BLD *builder = must(OSSL_PARAM_BLD_new());
    bool is_rsa = algorithm && algorithm->family != JWS_ECDSA, is_valid = false;
    CLEANUP(freep) uint8_t *point = NULL;
    BIGNUM *n = NULL, *e = NULL;
    EVP_PKEY *pair = NULL;
    struct key *key = NULL;

    if (is_rsa)
        is_valid = parameter_add(builder, jwk, "n", OSSL_PKEY_PARAM_RSA_N, &n) &&
                   parameter_add(builder, jwk, "e", OSSL_PKEY_PARAM_RSA_E, &e);
    else if (algorithm)
        is_valid = point_add(builder, jwk, algorithm->curve, algorithm->coordinate_bytes, &point);
    if (is_valid)
        pair = public_key_new(builder, is_rsa ? "RSA" : "EC");
    if (pair) {
        key = must_alloc(sizeof(*key));
        atomic_init(&key->references, 1);
        key->algorithm = algorithm;
        key->pair = pair;
    }
    OSSL_PARAM_BLD_free(builder);
    BN_free(n);
    BN_free(e);
    return key;
}

/* The caller holds the lock. */
static void keyring_publish(struct keyring *keyring, struct key *key)
{
    size_t bytes = (keyring->n_published + 1) * sizeof(*keyring->published);

    keyring->published = must_resize(keyring->published, bytes);
    keyring->published[keyring->n_published++] = key_ref(key);
}

/* Removes all published keys of @algorithm. The caller holds the lock. */
static void keyring_withdraw(struct keyring *keyring, const struct jws_algorithm *algorithm)
{
    size_t kept = 0;

    for (size_t i = 0; i < keyring->n_published; i++) {
        if (keyring->published[i]->algorithm == algorithm)
            key_unref(keyring->published[i]);
        else
            keyring->published[kept++] = keyring->published[i];
    }
    keyring->n_published = kept;
}

int keyring_init(struct keyring *keyring, pthread_mutex_t *lock, int rsa_bits)
{
    CLEANUP(key_unrefp) struct key *first = NULL;

    keyring->lock = lock;
    keyring->rsa_bits = rsa_bits;
    first = keyring_current(keyring, jws_algorithm_find("RS256"));
    return first ? 0 : -EINVAL;
}

void keyring_done(struct keyring *keyring)
{
    for (size_t i = 0; i < JWS_ALGORITHMS; i++) {
        key_unref(keyring->current[i]);
        key_unref(keyring->previous[i]);
        key_unref(keyring->rogue[i]);
        keyring_withdraw(keyring, &jws_algorithms[i]);
    }
    free(keyring->published);
}

struct key *keyring_current(struct keyring *keyring, const struct jws_algorithm *algorithm)
{
    struct key *current = keyring->current[algorithm - jws_algorithms];

    return current ? key_ref(current) : keyring_rotate(keyring, algorithm, true);
}

struct key *keyring_rogue(struct keyring *keyring, const struct jws_algorithm *algorithm)
{
    struct key **rogue = &keyring->rogue[algorithm - jws_algorithms];

    if (!*rogue)
        *rogue = key_new(algorithm, keyring->rsa_bits);
    return *rogue ? key_ref(*rogue) : NULL;
}

struct key *keyring_previous(struct keyring *keyring, const struct jws_algorithm *algorithm)
{
    struct key *previous = keyring->previous[algorithm - jws_algorithms];

    return previous ? key_ref(previous) : NULL;
}

struct key *keyring_find(struct keyring *keyring, const char *kid)
{
    struct key *found = NULL;

    pthread_mutex_lock(keyring->lock);
    for (size_t i = 0; i < keyring->n_published && !found; i++)
        if (strcmp(keyring->published[i]->kid, kid) == 0)
            found = key_ref(keyring->published[i]);
    pthread_mutex_unlock(keyring->lock);
    return found;
}

struct key *keyring_rotate(struct keyring *keyring, const struct jws_algorithm *algorithm,
                           bool keep_old)
{
    size_t index = (size_t)(algorithm - jws_algorithms);
    struct key *key = key_new(algorithm, keyring->rsa_bits);

    if (!key)
        return NULL;
    pthread_mutex_lock(keyring->lock);
    if (!keep_old)
        keyring_withdraw(keyring, algorithm);
    if (keyring->current[index]) {
        key_unref(keyring->previous[index]);
        keyring->previous[index] = keyring->current[index];
    }
    keyring->current[index] = key;
    keyring_publish(keyring, key);
    pthread_mutex_unlock(keyring->lock);
    return key_ref(key);
}

char *keyring_document(struct keyring *keyring)
{
    CLEANUP(json_decrefp) json_t *document = NULL;
    json_t *keys = must(json_array());

    pthread_mutex_lock(keyring->lock);
    for (size_t i = 0; i < keyring->n_published; i++)
        must_json(json_array_append_new(keys, json_deep_copy(keyring->published[i]->jwk)));
    pthread_mutex_unlock(keyring->lock);
    document = must(json_pack("{s:o}", "keys", keys));
    return must(json_dumps(document, JSON_COMPACT));
}

json_t *keyring_algorithms(struct keyring *keyring)
{
    json_t *names = must(json_array());

    pthread_mutex_lock(keyring->lock);
    for (size_t i = 0; i < JWS_ALGORITHMS; i++)
        if (keyring->current[i])
            must_json(json_array_append_new(names, json_string(jws_algorithms[i].name)));
    pthread_mutex_unlock(keyring->lock);
    return names;
}
