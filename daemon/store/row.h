/*
 * Seals records into rows, and opens rows. All plaintext columns of a row are associated data of
 * its seal, so that a row opens only in its database, under its name, and with its own expiry.
 */
#ifndef STORE_ROW_H
#define STORE_ROW_H

#include "store/database.h"
#include "store/record.h"
#include "store/seal.h"

struct rows {
    struct seal seal;
    struct seal previous; /* the previous key, which only opens; its key is NULL: there is none */
    uint8_t database_id[DATABASE_ID_SIZE];
    uint8_t boot_id[BOOT_ID_SIZE];
    int64_t seen_s; /* the wall clock has shown this time; if it is earlier now, it was set back */
};

/*
 * Seals @record, and @key with it, because the name of a row is only its HMAC. The caller frees
 * @ret_row->sealed. Returns 0 or -errno.
 */
int row_seal(struct rows *rows, const struct digest *key, const struct record *record,
             struct database_row *ret_row);

enum row_state {
    ROW_GOOD,    /* valid */
    ROW_OLD,     /* valid, but sealed with the previous key or written by an older version */
    ROW_EXPIRED, /* has expired, or may have */
    ROW_BAD,     /* sealed with another key, or changed */
    ROW_STATES,
};

/*
 * Opens @row.
 *
 * @ret_state:  set on success.
 * @ret_key:    set with ROW_GOOD and ROW_OLD.
 * @ret_record: set with ROW_GOOD and ROW_OLD; the caller owns its bytes.
 *
 * Returns 0 or -ENOMEM.
 */
int row_open(struct rows *rows, const struct database_row *row, struct now now,
             enum row_state *ret_state, struct digest *ret_key, struct record *ret_record);

#endif
