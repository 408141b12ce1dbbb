#include "standin/encoding.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "standin/memory.h"

static const char base64url_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

char *base64url_encode(const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    char *text = must_alloc(len / 3 * 4 + 5);
    char *out = text;
    uint32_t bits = 0;
    unsigned held = 0;

    for (size_t i = 0; i < len; i++) {
        bits = bits << 8 | at[i];
        held += 8;
        for (; held >= 6; held -= 6)
            *out++ = base64url_digits[bits >> (held - 6) & 63];
    }
    if (held > 0)
        *out++ = base64url_digits[bits << (6 - held) & 63];
    return text;
}

int base64url_decode(const char *text, size_t len, uint8_t **ret_bytes, size_t *ret_len)
{
    CLEANUP(freep) uint8_t *bytes = must_alloc(len / 4 * 3 + 4);
    size_t decoded = 0;
    uint32_t bits = 0;
    unsigned held = 0;

    if (len % 4 == 1)
        return -EBADMSG;
    for (size_t i = 0; i < len; i++) {
        const char *digit = text[i] ? strchr(base64url_digits, text[i]) : NULL;

        if (!digit)
            return -EBADMSG;
        bits = bits << 6 | (uint32_t)(digit - base64url_digits);
        held += 6;
        if (held >= 8) {
            held -= 8;
            bytes[decoded++] = (uint8_t)(bits >> held);
            bits &= (1u << held) - 1;
        }
    }
    if (bits != 0) /* otherwise two texts would decode to the same bytes */
        return -EBADMSG;
    *ret_bytes = TAKE_PTR(bytes);
    *ret_len = decoded;
    return 0;
}

char *hex_encode(const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    char *text = must_alloc(len * 2 + 1);

    for (size_t i = 0; i < len; i++)
        sprintf(text + 2 * i, "%02x", at[i]);
    return text;
}

void random_bytes(void *bytes, size_t len)
{
    if (RAND_bytes(bytes, (int)len) != 1)
        must(NULL);
}

static void uuid_print(uint8_t bytes[16], unsigned version, char ret_uuid[UUID_BYTES])
{
    char *out = ret_uuid;

    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | version << 4);
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
    for (size_t i = 0; i < 16; i++)
        out += sprintf(out, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", bytes[i]);
}

void uuid_random(char ret_uuid[UUID_BYTES])
{
    uint8_t bytes[16];

    random_bytes(bytes, sizeof(bytes));
    uuid_print(bytes, 4, ret_uuid);
}

void uuid_of_name(const char *name, char ret_uuid[UUID_BYTES])
{
    uint8_t digest[SHA256_DIGEST_LENGTH];

    SHA256((const uint8_t *)name, strlen(name), digest);
    uuid_print(digest, 5, ret_uuid);
}

char *base64_encode(const void *bytes, size_t len)
{
    char *text = must_alloc((len + 2) / 3 * 4 + 1);

    EVP_EncodeBlock((unsigned char *)text, bytes, (int)len);
    return text;
}

int base64_decode(const char *text, uint8_t **ret_bytes, size_t *ret_len)
{
    size_t len = strlen(text), padding = 0;
    CLEANUP(freep) uint8_t *bytes = must_alloc(len + 1);
    int n = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)len);

    while (padding < 2 && padding < len && text[len - 1 - padding] == '=')
        padding++;
    if (n < 0 || len % 4 != 0)
        return -EBADMSG;
    *ret_len = (size_t)n - padding; /* OpenSSL decodes the padding to zeros */
    *ret_bytes = TAKE_PTR(bytes);
    return 0;
}
