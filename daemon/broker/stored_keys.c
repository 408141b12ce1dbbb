#include "broker/stored_keys.h"

#include <string.h>

#include "broker/write_behind.h"

static int row_key(const struct issuer *issuer, struct digest *ret_key)
{
    char hex[2 * DIGEST_SIZE + 1];
    const char *parts[] = {"the keys of an issuer", hex};

    digest_hex(&issuer->config->digest, DIGEST_SIZE, hex);
    return digest_of_strings(parts, 2, ret_key);
}

/* Without room for it, or a disk, the next start has to fetch them; the store has said so. */
static void on_keys(void *data, const struct issuer *issuer, const void *text, size_t len)
{
    const struct now now = clock_now();
    struct token token = {
        .frame = token_frame_of_keys(text, len),
        .created_s = now.wall_s,
        .expires_s = now.wall_s + KEYS_USABLE_S,
        .expires_boot_usec = now.boot_usec + KEYS_USABLE_S * SECOND_USEC,
    };
    struct write_behind *keep;
    struct digest key;

    if (token.frame && row_key(issuer, &key) == 0)
        write_behind_row(data, &key, &token, &keep);
    token_done(&token);
}

void stored_keys_begin(struct broker *broker)
{
    struct identities *identities = broker->identities;
    struct digest key;

    identities->key_listener = (struct key_listener){.on_keys = on_keys, .data = broker};
    for (size_t i = 0; i < identities->n_issuers; i++)
        if (row_key(identities->issuers[i], &key) == 0)
            store_open_row(broker->store, &key);
}

void stored_keys_take(struct broker *broker, const struct digest *key, struct token *token)
{
    struct identities *identities = broker->identities;
    struct wire_bytes keys = token_keys(token);
    struct digest own;

    for (size_t i = 0; i < identities->n_issuers; i++)
        if (row_key(identities->issuers[i], &own) == 0 && memcmp(&own, key, sizeof(own)) == 0)
            issuer_take_stored(identities->issuers[i], keys.at, keys.len, token->expires_boot_usec);
    token_done(token);
}
