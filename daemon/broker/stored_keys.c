#include "broker/stored_keys.h"

#include <string.h>

#include "broker/write_behind.h"
#include "config/config.h"
#include "protocol/wire.h"

#define TYPE_OF_KEYS 0x7f

static int row_key(const struct issuer *issuer, struct digest *ret_key)
{
    char hex[2 * DIGEST_SIZE + 1];
    const char *parts[] = {"the keys of an issuer", hex};

    digest_hex(&issuer->config->digest, DIGEST_SIZE, hex);
    return digest_of_strings(parts, 2, ret_key);
}

/* The key set after a header with a type that no message has: it tells what the record holds. */
static struct secret *bytes_of_keys(const void *text, size_t len)
{
    struct secret *bytes = secret_alloc(WIRE_HEADER_SIZE + len);

    if (!bytes)
        return NULL;
    wire_header_write(bytes->bytes, (uint32_t)len, TYPE_OF_KEYS, 0);
    memcpy(bytes->bytes + WIRE_HEADER_SIZE, text, len);
    return bytes;
}

static bool holds_keys(const struct record *record)
{
    struct wire_header header;

    if (record->bytes->len < WIRE_HEADER_SIZE)
        return false;
    wire_header_read(record->bytes->bytes, &header);
    return header.type == TYPE_OF_KEYS &&
           header.payload_len == record->bytes->len - WIRE_HEADER_SIZE;
}

/*
 * If memory or the disk fails, the next start has to fetch the keys; the store has logged the
 * disk's problem.
 */
static void on_keys(void *data, const struct issuer *issuer, const void *text, size_t len)
{
    const struct now now = clock_now();
    struct record record = {
        .bytes = bytes_of_keys(text, len),
        .created_s = now.wall_s,
        .expires_s = now.wall_s + KEYS_USABLE_S,
        .expires_boot_usec = now.boot_usec + KEYS_USABLE_S * SECOND_USEC,
    };
    struct write_behind *pending;
    struct digest key;

    if (record.bytes && row_key(issuer, &key) == 0)
        write_behind_record(data, &key, &record, &pending);
    secret_free(record.bytes);
}

void stored_keys_begin(struct broker *broker)
{
    struct identities *identities = broker->identities;
    struct digest key;

    identities->fetched = (struct issuer_listener){.on_keys = on_keys, .data = broker};
    for (size_t i = 0; i < identities->n_issuers; i++)
        if (row_key(identities->issuers[i], &key) == 0)
            store_open_row(broker->store, &key);
}

size_t stored_keys_rows(struct broker *broker, struct digest *ret_keys)
{
    struct identities *identities = broker->identities;
    size_t n = 0;

    for (size_t i = 0; i < identities->n_issuers; i++)
        if (row_key(identities->issuers[i], &ret_keys[n]) == 0)
            n++;
    return n;
}

bool stored_keys_take(struct broker *broker, const struct digest *key, struct record *record)
{
    struct identities *identities = broker->identities;
    struct digest own;

    if (!holds_keys(record))
        return false;
    for (size_t i = 0; i < identities->n_issuers; i++)
        if (row_key(identities->issuers[i], &own) == 0 && memcmp(&own, key, sizeof(own)) == 0)
            issuer_take_stored(identities->issuers[i], record->bytes->bytes + WIRE_HEADER_SIZE,
                               record->bytes->len - WIRE_HEADER_SIZE, record->expires_boot_usec);
    record->bytes = secret_free(record->bytes);
    return true;
}
