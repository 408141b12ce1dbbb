#include "database.h"

#include <errno.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"

#define APPLICATION_ID 0x706f646c /* "podl" */
#define SCHEMA_VERSION 1

static inline void stmt_freep(sqlite3_stmt **statement)
{
    sqlite3_finalize(*statement);
}

static int errno_of(int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_DONE:
    case SQLITE_ROW:
        return 0;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_SCHEMA:
    case SQLITE_FORMAT:
    case SQLITE_ERROR:
    case SQLITE_MISMATCH:
        return -EUCLEAN;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return -EROFS;
    case SQLITE_NOMEM:
        return -ENOMEM;
    default:
        return -EIO;
    }
}

static int execute(struct database *database, const char *sql)
{
    return errno_of(sqlite3_exec(database->db, sql, NULL, NULL, NULL));
}

static int query_number(struct database *database, const char *sql, int64_t *ret_number)
{
    CLEANUP(stmt_freep)
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(database->db, sql, -1, &statement, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code != SQLITE_ROW)
        return code == SQLITE_DONE ? -EUCLEAN : errno_of(code);
    *ret_number = sqlite3_column_int64(statement, 0);
    return 0;
}

/* Rowid tables: with rows of a kilobyte they are a third of the size of WITHOUT ROWID ones. */
static int schema_create(struct database *database)
{
    static const char sql[] =
        "BEGIN IMMEDIATE;"
        "PRAGMA application_id = 1886348396;"
        "PRAGMA user_version = 1;"
        "CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 1), database_id BLOB NOT NULL);"
        "CREATE TABLE token (name BLOB NOT NULL UNIQUE, created INTEGER NOT NULL,"
        "                    expires INTEGER NOT NULL, sealed BLOB NOT NULL);"
        "INSERT INTO meta VALUES (1, randomblob(16));"
        "COMMIT;";

    _Static_assert(APPLICATION_ID == 1886348396, "the schema names the application");
    return execute(database, sql);
}

static int schema_check(struct database *database, char *ret_error)
{
    int64_t application_id = 0, version = 0, n_tables = 0;
    int r;

    r = query_number(database, "PRAGMA application_id", &application_id);
    if (r == 0)
        r = query_number(database, "PRAGMA user_version", &version);
    if (r == 0)
        r = query_number(database, "SELECT count(*) FROM sqlite_schema", &n_tables);
    if (r < 0)
        return r;
    if (n_tables == 0 && application_id == 0)
        return schema_create(database);
    if (application_id != APPLICATION_ID || version != SCHEMA_VERSION) {
        snprintf(ret_error, DATABASE_ERROR_MAX, "%s",
                 application_id != APPLICATION_ID ? "not a cache of podlogin"
                                                  : "written by another version of podlogin");
        return -EUCLEAN;
    }
    return 0;
}

static int id_read(struct database *database)
{
    CLEANUP(stmt_freep)
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(database->db, "SELECT database_id FROM meta WHERE id = 1", -1,
                                  &statement, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code != SQLITE_ROW)
        return code == SQLITE_DONE ? -EUCLEAN : errno_of(code);
    if (sqlite3_column_bytes(statement, 0) != DATABASE_ID_SIZE)
        return -EUCLEAN;
    memcpy(database->id, sqlite3_column_blob(statement, 0), DATABASE_ID_SIZE);
    return 0;
}

static int prepare(struct database *database, const char *path, char *ret_error)
{
    /* exclusive before WAL: no shared-memory file, and a second daemon is noticed */
    static const char settings[] = "PRAGMA locking_mode = EXCLUSIVE;"
                                   "PRAGMA journal_mode = WAL;"
                                   "PRAGMA synchronous = FULL;"
                                   "PRAGMA secure_delete = ON;"
                                   "PRAGMA trusted_schema = OFF;"
                                   "PRAGMA cache_size = -512;";
    int code = sqlite3_open_v2(path, &database->db,
                               SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW |
                                   SQLITE_OPEN_NOMUTEX,
                               NULL);
    int r = errno_of(code);

    if (r == 0)
        r = execute(database, settings);
    if (r == 0) /* takes the lock, and reads the first page */
        r = execute(database, "BEGIN IMMEDIATE; COMMIT;");
    if (r == 0)
        r = schema_check(database, ret_error);
    if (r == 0)
        r = id_read(database);
    if (r == 0)
        r = errno_of(sqlite3_prepare_v3(database->db,
                                        "INSERT OR REPLACE INTO token (name, created, expires, "
                                        "sealed) VALUES (?, ?, ?, ?)",
                                        -1, SQLITE_PREPARE_PERSISTENT, &database->insert, NULL));
    return r;
}

int database_open(struct database *database, const char *path, char ret_error[DATABASE_ERROR_MAX])
{
    int r;

    *database = (struct database){0};
    ret_error[0] = '\0';
    r = prepare(database, path, ret_error);
    if (r < 0 && !ret_error[0])
        snprintf(ret_error, DATABASE_ERROR_MAX, "%s",
                 database->db ? sqlite3_errmsg(database->db) : strerror(-r));
    if (r < 0)
        database_close(database);
    return r;
}

void database_close(struct database *database)
{
    sqlite3_finalize(database->insert);
    if (database->db)
        sqlite3_wal_checkpoint_v2(database->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    sqlite3_close(database->db);
    *database = (struct database){0};
}

static int row_read(sqlite3_stmt *statement, struct database_row *ret_row)
{
    if (sqlite3_column_bytes(statement, 0) != DIGEST_SIZE ||
        sqlite3_column_type(statement, 3) != SQLITE_BLOB)
        return -EUCLEAN;
    memcpy(ret_row->name.bytes, sqlite3_column_blob(statement, 0), DIGEST_SIZE);
    ret_row->created_s = sqlite3_column_int64(statement, 1);
    ret_row->expires_s = sqlite3_column_int64(statement, 2);
    ret_row->sealed = sqlite3_column_blob(statement, 3);
    ret_row->sealed_len = (size_t)sqlite3_column_bytes(statement, 3);
    return 0;
}

int database_load(struct database *database, int64_t now_s,
                  int (*on_row)(void *data, const struct database_row *row), void *data)
{
    CLEANUP(stmt_freep)
    sqlite3_stmt *statement = NULL;
    int code, r;

    code = sqlite3_prepare_v2(database->db,
                              "SELECT name, created, expires, sealed FROM token WHERE expires > ?",
                              -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_bind_int64(statement, 1, now_s);
    if (code != SQLITE_OK)
        return errno_of(code);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct database_row row;

        r = row_read(statement, &row);
        if (r == 0)
            r = on_row(data, &row);
        if (r < 0)
            return r;
    }
    return errno_of(code);
}

int database_begin(struct database *database)
{
    return execute(database, "BEGIN IMMEDIATE");
}

int database_insert(struct database *database, const struct database_row *row)
{
    sqlite3_stmt *insert = database->insert;
    int code;

    sqlite3_bind_blob(insert, 1, row->name.bytes, DIGEST_SIZE, SQLITE_STATIC);
    sqlite3_bind_int64(insert, 2, row->created_s);
    sqlite3_bind_int64(insert, 3, row->expires_s);
    sqlite3_bind_blob(insert, 4, row->sealed, (int)row->sealed_len, SQLITE_STATIC);
    code = sqlite3_step(insert);
    sqlite3_reset(insert);
    sqlite3_clear_bindings(insert);
    return errno_of(code);
}

int database_commit(struct database *database)
{
    return execute(database, "COMMIT");
}

void database_rollback(struct database *database)
{
    execute(database, "ROLLBACK");
}

int database_purge(struct database *database, int64_t now_s)
{
    char sql[96];
    int r;

    snprintf(sql, sizeof(sql), "DELETE FROM token WHERE expires <= %lld", (long long)now_s);
    r = execute(database, sql);
    if (r == 0)
        r = errno_of(
            sqlite3_wal_checkpoint_v2(database->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL));
    return r;
}
