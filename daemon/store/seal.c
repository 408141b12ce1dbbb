#include "seal.h"

#include <errno.h>
#include <openssl/hmac.h>
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
    seal->cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    seal->ctx = EVP_CIPHER_CTX_new();
    return seal->cipher && seal->ctx ? 0 : -ENOMEM;
}

void seal_done(struct seal *seal)
{
    secret_free(seal->key);
    secret_free(seal->index_key);
    EVP_CIPHER_CTX_free(seal->ctx);
    EVP_CIPHER_free(seal->cipher);
    *seal = (struct seal){0};
}

int seal_close(struct seal *seal, const void *bytes, size_t len, const void *associated,
               size_t associated_len, uint8_t *ret_sealed)
{
    uint8_t *nonce = ret_sealed, *at = ret_sealed + SEAL_NONCE;
    int n;

    if (RAND_bytes(nonce, SEAL_NONCE) != 1 ||
        EVP_EncryptInit_ex2(seal->ctx, seal->cipher, seal->key->bytes, nonce, NULL) != 1 ||
        EVP_EncryptUpdate(seal->ctx, NULL, &n, associated, (int)associated_len) != 1 ||
        EVP_EncryptUpdate(seal->ctx, at, &n, bytes, (int)len) != 1 ||
        EVP_EncryptFinal_ex(seal->ctx, at + n, &n) != 1 ||
        EVP_CIPHER_CTX_ctrl(seal->ctx, EVP_CTRL_AEAD_GET_TAG, SEAL_TAG, at + len) != 1)
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
    if (EVP_DecryptInit_ex2(seal->ctx, seal->cipher, seal->key->bytes, sealed, NULL) != 1 ||
        EVP_DecryptUpdate(seal->ctx, NULL, &n, associated, (int)associated_len) != 1 ||
        EVP_DecryptUpdate(seal->ctx, ret_bytes, &n, sealed + SEAL_NONCE,
                          (int)(len - SEAL_OVERHEAD)) != 1 ||
        EVP_CIPHER_CTX_ctrl(seal->ctx, EVP_CTRL_AEAD_SET_TAG, SEAL_TAG, tag) != 1 ||
        EVP_DecryptFinal_ex(seal->ctx, ret_bytes + n, &n) != 1)
        return -EBADMSG;
    return 0;
}

int seal_name(const struct seal *seal, const struct digest *key, struct digest *ret_name)
{
    return HMAC(EVP_sha256(), seal->index_key->bytes, (int)seal->index_key->len, key->bytes,
                sizeof(key->bytes), ret_name->bytes, NULL)
               ? 0
               : -ENOMEM;
}
