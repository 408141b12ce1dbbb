#include "store/row.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROW_MAX          (SEAL_OVERHEAD + DIGEST_SIZE + RECORD_BYTES_MAX)
#define CLOCK_BACK_MAX_S 2 /* how far a correction may set the wall clock back between boots */

/* The associated data that a row is sealed with. In version 1 it ended before boot_id. */
struct associated {
    char format[8];
    uint8_t database_id[DATABASE_ID_SIZE];
    uint8_t name[DIGEST_SIZE];
    uint8_t key_id[SEAL_ID_SIZE];
    int64_t created_s;
    int64_t expires_s;
    uint8_t boot_id[BOOT_ID_SIZE];
    uint64_t expires_boot_usec;
};

#define ASSOCIATED_1_SIZE offsetof(struct associated, boot_id)

_Static_assert(sizeof(struct associated) == 8 + 16 + 32 + 8 + 16 + 16 + 8,
               "no padding is authenticated");
_Static_assert(SEAL_ID_SIZE == DATABASE_KEY_ID_SIZE, "a row has the id of the key that sealed it");

static struct associated associated_of(const struct rows *rows, const struct seal *seal,
                                       const struct database_row *row)
{
    struct associated associated = {
        .created_s = row->created_s,
        .expires_s = row->expires_s,
        .expires_boot_usec = row->expires_boot_usec,
    };

    strcpy(associated.format, row->version == 1 ? "podlog1" : "podlog2");
    memcpy(associated.database_id, rows->database_id, sizeof(associated.database_id));
    memcpy(associated.name, row->name.bytes, sizeof(associated.name));
    memcpy(associated.key_id, seal->id, sizeof(associated.key_id));
    memcpy(associated.boot_id, row->boot_id, sizeof(associated.boot_id));
    return associated;
}

int row_seal(struct rows *rows, const struct digest *key, const struct record *record,
             struct database_row *ret_row)
{
    CLEANUP(secret_freep)
    struct secret *plain = secret_alloc(DIGEST_SIZE + record->bytes->len);
    CLEANUP(freep)
    uint8_t *sealed = NULL;
    struct associated associated;
    int r;

    *ret_row = (struct database_row){
        .version = 2,
        .created_s = record->created_s,
        .expires_s = record->expires_s,
        .expires_boot_usec = record->expires_boot_usec,
    };
    memcpy(ret_row->key_id, rows->seal.id, SEAL_ID_SIZE);
    memcpy(ret_row->boot_id, rows->boot_id, BOOT_ID_SIZE);
    if (!plain || seal_name(&rows->seal, key, &ret_row->name) < 0)
        return -ENOMEM;
    sealed = malloc(plain->len + SEAL_OVERHEAD);
    if (!sealed)
        return -ENOMEM;
    memcpy(plain->bytes, key->bytes, DIGEST_SIZE);
    memcpy(plain->bytes + DIGEST_SIZE, record->bytes->bytes, record->bytes->len);
    associated = associated_of(rows, &rows->seal, ret_row);
    r = seal_close(&rows->seal, plain->bytes, plain->len, &associated, sizeof(associated), sealed);
    if (r < 0)
        return r;
    ret_row->sealed_len = plain->len + SEAL_OVERHEAD;
    ret_row->sealed = TAKE_PTR(sealed);
    return 0;
}

/* Returns 0; -EBADMSG if @seal does not open the row; or -ENOMEM. */
static int open_with(const struct rows *rows, struct seal *seal, const struct database_row *row,
                     struct digest *ret_key, struct secret **ret_bytes)
{
    const struct associated associated = associated_of(rows, seal, row);
    CLEANUP(secret_freep)
    struct secret *plain = secret_alloc(row->sealed_len - SEAL_OVERHEAD);
    CLEANUP(secret_freep)
    struct secret *bytes = NULL;
    struct digest name;

    if (!plain)
        return -ENOMEM;
    if (seal_open(seal, row->sealed, row->sealed_len, &associated,
                  row->version == 1 ? ASSOCIATED_1_SIZE : sizeof(associated), plain->bytes) < 0)
        return -EBADMSG;
    memcpy(ret_key->bytes, plain->bytes, DIGEST_SIZE);
    bytes = secret_new(plain->bytes + DIGEST_SIZE, plain->len - DIGEST_SIZE);
    if (!bytes || seal_name(seal, ret_key, &name) < 0)
        return -ENOMEM;
    if (memcmp(&name, &row->name, sizeof(name)) != 0)
        return -EBADMSG;
    *ret_bytes = TAKE_PTR(bytes);
    return 0;
}

/* Opens a row with the key that it names. A row of version 1 names none, so both are tried. */
static int open_either(struct rows *rows, const struct database_row *row, enum row_state *ret_state,
                       struct digest *ret_key, struct secret **ret_bytes)
{
    bool may_be_current = row->version == 1 || !memcmp(row->key_id, rows->seal.id, SEAL_ID_SIZE);
    bool may_be_previous =
        rows->previous.key &&
        (row->version == 1 || !memcmp(row->key_id, rows->previous.id, SEAL_ID_SIZE));
    int r = -EBADMSG;

    *ret_state = row->version == 1 ? ROW_OLD : ROW_GOOD;
    if (may_be_current)
        r = open_with(rows, &rows->seal, row, ret_key, ret_bytes);
    if (r == -EBADMSG && may_be_previous) {
        *ret_state = ROW_OLD;
        r = open_with(rows, &rows->previous, row, ret_key, ret_bytes);
    }
    return r;
}

/*
 * Returns when the row expires by the boot clock, or 0 if it has or may have expired. Within the
 * boot that wrote the row, both clocks count. After that there is only the wall clock. If it is
 * earlier than it has been, it was set back, and the age of the token cannot be known.
 */
static uint64_t expiry_boot_usec(const struct rows *rows, const struct database_row *row,
                                 struct now now)
{
    uint64_t latest = now.boot_usec + (uint64_t)(row->expires_s - row->created_s) * SECOND_USEC;
    bool is_of_this_boot =
        row->version > 1 && memcmp(row->boot_id, rows->boot_id, BOOT_ID_SIZE) == 0;
    uint64_t expiry;

    if (row->expires_s <= now.wall_s)
        return 0;
    if (is_of_this_boot)
        expiry = row->expires_boot_usec;
    else if (now.wall_s + CLOCK_BACK_MAX_S < rows->seen_s ||
             now.wall_s + CLOCK_BACK_MAX_S < row->created_s)
        return 0;
    else
        expiry = now.boot_usec + (uint64_t)(row->expires_s - now.wall_s) * SECOND_USEC;
    if (expiry > latest)
        expiry = latest;
    return expiry > now.boot_usec ? expiry : 0;
}

int row_open(struct rows *rows, const struct database_row *row, struct now now,
             enum row_state *ret_state, struct digest *ret_key, struct record *ret_record)
{
    struct secret *bytes;
    int r;

    *ret_state = ROW_BAD;
    if (row->sealed_len < SEAL_OVERHEAD + DIGEST_SIZE || row->sealed_len > ROW_MAX ||
        row->expires_s <= row->created_s || row->created_s < 0 ||
        row->expires_s - row->created_s > RECORD_LIFETIME_MAX_S)
        return 0;
    r = open_either(rows, row, ret_state, ret_key, &bytes);
    if (r < 0) {
        *ret_state = ROW_BAD;
        return r == -EBADMSG ? 0 : r;
    }
    *ret_record = (struct record){
        .bytes = bytes,
        .created_s = row->created_s,
        .expires_s = row->expires_s,
        .expires_boot_usec = expiry_boot_usec(rows, row, now),
    };
    if (ret_record->expires_boot_usec == 0) {
        ret_record->bytes = secret_free(ret_record->bytes);
        *ret_state = ROW_EXPIRED;
    }
    return 0;
}
