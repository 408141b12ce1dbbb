/* The SQLite file: opening, schema, statements. Rows here are sealed bytes under a name. */
#ifndef DATABASE_H
#define DATABASE_H

#include <sqlite3.h>
#include <stdint.h>

#include "digest.h"

#define DATABASE_ID_SIZE   16
#define DATABASE_ERROR_MAX 256

struct database {
    sqlite3 *db;
    sqlite3_stmt *insert;
    uint8_t id[DATABASE_ID_SIZE]; /* random; sealed rows of another database do not open here */
};

struct database_row {
    struct digest name;
    int64_t created_s;
    int64_t expires_s;
    const uint8_t *sealed;
    size_t sealed_len;
};

/*
 * 0; -EBUSY: locked by another process; -EUCLEAN: damaged, foreign or newer; another -errno: the
 * file system does not let us. The database is closed then.
 */
int database_open(struct database *database, const char *path, char ret_error[DATABASE_ERROR_MAX]);
void database_close(struct database *database);

/* Calls @on_row for all rows that expire after @now_s. 0, -EUCLEAN, or what @on_row returned. */
int database_load(struct database *database, int64_t now_s,
                  int (*on_row)(void *data, const struct database_row *row), void *data);

int database_begin(struct database *database);
int database_insert(struct database *database, const struct database_row *row);
int database_commit(struct database *database);
void database_rollback(struct database *database);

/* Removes what has expired at @now_s and gives the write-ahead log's space back. */
int database_purge(struct database *database, int64_t now_s);

#endif
