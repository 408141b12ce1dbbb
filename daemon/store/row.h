/*
 * A row: a token, sealed, and bound to its place. The associated data of the seal says everything
 * that stands in clear beside it, so that a row opens only in its database, under its name, until
 * its time.
 */
#ifndef ROW_H
#define ROW_H

#include "store/database.h"
#include "store/record.h"
#include "store/seal.h"

struct rows {
    struct seal seal;
    struct seal previous; /* of the key before, which opens only; key NULL: there is none */
    uint8_t database_id[DATABASE_ID_SIZE];
    uint8_t boot_id[BOOT_ID_SIZE];
    int64_t seen_s; /* the wall clock has been there, so it is not earlier now */
};

/* Seals @record, and the key itself, since the name is only an HMAC. @ret_row->sealed is the
 * caller's to free. 0 or -errno. */
int row_seal(struct rows *rows, const struct digest *key, const struct record *record,
             struct database_row *ret_row);

enum row_state {
    ROW_GOOD,
    ROW_OLD,     /* good, but sealed by the key before, or in the form of an older version */
    ROW_EXPIRED, /* or it cannot be told whether it has */
    ROW_BAD,     /* another key sealed it, or somebody changed it */
    ROW_STATES,
};

/* 0 with *ret_state, and with the first two of them a key and a token; -ENOMEM. */
int row_open(struct rows *rows, const struct database_row *row, struct now now,
             enum row_state *ret_state, struct digest *ret_key, struct record *ret_record);

#endif
