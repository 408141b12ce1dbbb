/*
 * The SQLite database: opening, schema, statements. To this layer, a row is sealed bytes with a
 * name.
 */
#ifndef STORE_DATABASE_H
#define STORE_DATABASE_H

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
    sqlite3_stmt *read; /* the position of database_read(); NULL: not begun, or complete */
    uint8_t id[DATABASE_ID_SIZE]; /* random; rows are sealed for one database only */
    int64_t seen_s; /* when it was opened: the latest wall-clock time that it has recorded */
};

/* A row that version 1 of the schema wrote has no key_id, boot_id and expires_boot_usec. */
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
 * Opens the database at @path. Creates it if it does not exist, and upgrades an older schema.
 *
 * @rows_max:  how many rows it is for; limits the size of the file.
 * @ret_error: why it failed.
 *
 * Returns 0; -EBUSY if another process has locked it; -EUCLEAN if it is damaged; -EMEDIUMTYPE if it
 * is not podlogin's; -EPROTONOSUPPORT if a newer version wrote it; or another -errno, from the file
 * system. After a failure it is closed. A database of another application or version, or one that
 * is locked, is not changed.
 */
int database_open(struct database *database, const char *path, uint32_t rows_max,
                  char ret_error[DATABASE_ERROR_MAX]);

/*
 * Returns whether the file at the path is no longer the open one: it was deleted, replaced or
 * unmounted. What is written then is lost.
 */
bool database_has_moved(const struct database *database);

/* Closes the database; does nothing if it is not open. Checkpoints the write-ahead log. */
void database_close(struct database *database);

/*
 * Called with a row, which is valid until it returns. Returns 0, or -errno, which ends the reading.
 */
typedef int (*database_on_row)(void *data, const struct database_row *row);

/*
 * Calls @on_row for each of the next @n rows. The caller must not write before all rows are read.
 *
 * Returns 1 if there may be more rows; 0 if there are none; -EUCLEAN if a row is malformed; another
 * -errno; or the error of @on_row. After 0 or an error, the next call begins again.
 */
int database_read(struct database *database, size_t n, database_on_row on_row, void *data);

/* Calls @on_row for the row @name, if there is one. Returns 0, or an error as database_read(). */
int database_find(struct database *database, const struct digest *name, database_on_row on_row,
                  void *data);

/* Begins a transaction. Returns 0 or -errno. */
int database_begin(struct database *database);

/* Inserts @row as version 2, or replaces the row of that name. Returns 0 or -errno. */
int database_insert(struct database *database, const struct database_row *row);

/*
 * Deletes the rows with these names; or, if @all_others is true, all rows but those, which are
 * at most 512. Returns 0 or -errno.
 */
int database_delete(struct database *database, const struct digest *names, size_t n,
                    bool all_others);

/* Commits the transaction. Returns 0 or -errno; then the caller rolls it back. */
int database_commit(struct database *database);

/* Rolls the transaction back. Does nothing if there is none. */
void database_rollback(struct database *database);

/*
 * Deletes rows that have expired at @now_s; of more than @rows_max rows, those that expire first.
 * Records the time, and truncates the write-ahead log. Returns 0 or -errno.
 */
int database_purge(struct database *database, int64_t now_s, uint32_t rows_max);

#endif
