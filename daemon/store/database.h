/* The SQLite file: opening, schema, statements. Rows here are sealed bytes under a name. */
#ifndef DATABASE_H
#define DATABASE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/digest.h"

#define DATABASE_ID_SIZE     16
#define DATABASE_KEY_ID_SIZE 8
#define DATABASE_ERROR_MAX   256

struct database {
    sqlite3 *db;
    sqlite3_stmt *insert;
    sqlite3_stmt *find;
    sqlite3_stmt *read; /* where database_read() has come to; NULL: it has not begun, or is done */
    uint8_t id[DATABASE_ID_SIZE]; /* random; sealed rows of another database do not open here */
    int64_t seen_s;               /* the latest wall clock time that was written, when opened */
};

/* Version 1 of the schema had no boot clock, and did not say which key sealed a row. */
struct database_row {
    unsigned version; /* of the schema when it was written: 1 or 2 */
    struct digest name;
    uint8_t key_id[DATABASE_KEY_ID_SIZE];
    int64_t created_s;
    int64_t expires_s;
    uint8_t boot_id[BOOT_ID_SIZE];
    uint64_t expires_boot_usec;
    const uint8_t *sealed;
    size_t sealed_len;
};

/*
 * Opens or creates, and brings an older schema up to date. @rows_max bounds the file's size.
 *
 * 0; -EBUSY: locked by another process; -EUCLEAN: damaged; -EMEDIUMTYPE: not ours;
 * -EPROTONOSUPPORT: of a newer version; another -errno: the file system does not let us. The
 * database is closed then, and what is not damaged is as it was.
 */
int database_open(struct database *database, const char *path, uint32_t rows_max,
                  char ret_error[DATABASE_ERROR_MAX]);
void database_close(struct database *database);

typedef int (*database_on_row)(void *data, const struct database_row *row);

/*
 * Calls @on_row for the next @n rows. 1: there may be more; 0: that were all; -EUCLEAN or another
 * -errno; what @on_row returned, if that is negative. Nothing is written before all are read.
 */
int database_read(struct database *database, size_t n, database_on_row on_row, void *data);

/* Calls @on_row for the row of that name, if there is one. Returns as above, but for 1. */
int database_find(struct database *database, const struct digest *name, database_on_row on_row,
                  void *data);

int database_begin(struct database *database);

/* Of version 2. */
int database_insert(struct database *database, const struct database_row *row);
int database_commit(struct database *database);
void database_rollback(struct database *database);

/*
 * Removes what has expired at @now_s, and of more than @rows_max rows those that expire first,
 * notes the time, and gives the write-ahead log's space back.
 */
int database_purge(struct database *database, int64_t now_s, uint32_t rows_max);

#endif
