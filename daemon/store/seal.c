#include "store/seal.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/hmac.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <string.h>

static int key_derive(const struct secret *master, const char *purpose, struct secret **ret_key)
{
    CLEANUP(secret_freep)
    struct secret *key = secret_alloc(SEAL_KEY_SIZE);

    if (!key || !HMAC(EVP_sha256(), master->bytes, (int)master->len, (const unsigned char *)purpose,
                      strlen(purpose), key->bytes, NULL))
        return -ENOMEM;
    *ret_key = TAKE_PTR(key);
    return 0;
}

static int contexts_init(struct seal *seal)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, "SHA256", 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);

    seal->closing = EVP_CIPHER_CTX_new();
    seal->opening = EVP_CIPHER_CTX_new();
    seal->naming = mac ? EVP_MAC_CTX_new(mac) : NULL;
    EVP_MAC_free(mac); /* the context has a reference */
    if (!cipher || !seal->closing || !seal->opening || !seal->naming ||
        EVP_EncryptInit_ex2(seal->closing, cipher, seal->key->bytes, NULL, NULL) != 1 ||
        EVP_DecryptInit_ex2(seal->opening, cipher, seal->key->bytes, NULL, NULL) != 1 ||
        EVP_MAC_init(seal->naming, seal->index_key->bytes, seal->index_key->len, params) != 1) {
        EVP_CIPHER_free(cipher);
        return -ENOMEM;
    }
    EVP_CIPHER_free(cipher);
    return 0;
}

int seal_init(struct seal *seal, const void *bytes)
{
    CLEANUP(secret_freep)
    struct secret *master = secret_new(bytes, SEAL_KEY_SIZE);
    CLEANUP(secret_freep)
    struct secret *id = NULL;

    *seal = (struct seal){0};
    if (!master || key_derive(master, "podlogin 1 seal", &seal->key) < 0 ||
        key_derive(master, "podlogin 1 name", &seal->index_key) < 0 ||
        key_derive(master, "podlogin 1 key id", &id) < 0)
        return -ENOMEM;
    memcpy(seal->id, id->bytes, sizeof(seal->id));
    return contexts_init(seal);
}

void seal_done(struct seal *seal)
{
    secret_free(seal->key);
    secret_free(seal->index_key);
    EVP_CIPHER_CTX_free(seal->closing);
    EVP_CIPHER_CTX_free(seal->opening);
    EVP_MAC_CTX_free(seal->naming);
    *seal = (struct seal){0};
}

int seal_close(struct seal *seal, const void *bytes, size_t len, const void *associated,
               size_t associated_len, uint8_t *ret_sealed)
{
    uint8_t *nonce = ret_sealed, *at = ret_sealed + SEAL_NONCE;
    int n;

    if (RAND_bytes(nonce, SEAL_NONCE) != 1 ||
        EVP_EncryptInit_ex2(seal->closing, NULL, NULL, nonce, NULL) != 1 ||
        EVP_EncryptUpdate(seal->closing, NULL, &n, associated, (int)associated_len) != 1 ||
        EVP_EncryptUpdate(seal->closing, at, &n, bytes, (int)len) != 1 ||
        EVP_EncryptFinal_ex(seal->closing, at + n, &n) != 1 ||
        EVP_CIPHER_CTX_ctrl(seal->closing, EVP_CTRL_AEAD_GET_TAG, SEAL_TAG, at + len) != 1)
        return -EIO;
    return 0;
}

int seal_open(struct seal *seal, const uint8_t *sealed, size_t len, const void *associated,
              size_t associated_len, uint8_t *ret_bytes)
{
    uint8_t tag[SEAL_TAG];
    int n;

    if (len < SEAL_OVERHEAD)
        return -EBADMSG;
    memcpy(tag, sealed + len - SEAL_TAG, SEAL_TAG);
    if (EVP_DecryptInit_ex2(seal->opening, NULL, NULL, sealed, NULL) != 1 ||
        EVP_DecryptUpdate(seal->opening, NULL, &n, associated, (int)associated_len) != 1 ||
        EVP_DecryptUpdate(seal->opening, ret_bytes, &n, sealed + SEAL_NONCE,
                          (int)(len - SEAL_OVERHEAD)) != 1 ||
        EVP_CIPHER_CTX_ctrl(seal->opening, EVP_CTRL_AEAD_SET_TAG, SEAL_TAG, tag) != 1 ||
        EVP_DecryptFinal_ex(seal->opening, ret_bytes + n, &n) != 1)
        return -EBADMSG;
    return 0;
}

int seal_name(const struct seal *seal, const struct digest *key, struct digest *ret_name)
{
    size_t len;

    return EVP_MAC_init(seal->naming, NULL, 0, NULL) == 1 &&
                   EVP_MAC_update(seal->naming, key->bytes, sizeof(key->bytes)) == 1 &&
                   EVP_MAC_final(seal->naming, ret_name->bytes, &len, sizeof(ret_name->bytes)) == 1
               ? 0
               : -ENOMEM;
}
