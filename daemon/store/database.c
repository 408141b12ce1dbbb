#include "store/database.h"

#include <errno.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define APPLICATION_ID     0x706f646c /* "podl" */
#define SCHEMA_VERSION     2
#define COLUMNS            "name, created, expires, sealed, key_id, boot_id, expires_boot"
#define PAGES_PER_ROW      4   /* tokens have one or two KiB, and at most 16 KiB */
#define PAGES_SPARE        256 /* for a database of few rows */
#define NAMES_PER_DELETION 512

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

/* Not WITHOUT ROWID: with rows of about 1 KiB, such tables are three times as large. */
static const char schema[] =
    "BEGIN IMMEDIATE;"
    "PRAGMA application_id = 1886348396;"
    "PRAGMA user_version = 2;"
    "CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 1), database_id BLOB NOT NULL,"
    "                   seen INTEGER NOT NULL DEFAULT 0);"
    "CREATE TABLE token (name BLOB NOT NULL UNIQUE, created INTEGER NOT NULL,"
    "                    expires INTEGER NOT NULL, sealed BLOB NOT NULL,"
    "                    key_id BLOB, boot_id BLOB, expires_boot INTEGER);"
    "INSERT INTO meta (id, database_id) VALUES (1, randomblob(16));"
    "COMMIT;";

static const char from_1_to_2[] = "BEGIN IMMEDIATE;"
                                  "ALTER TABLE meta ADD COLUMN seen INTEGER NOT NULL DEFAULT 0;"
                                  "ALTER TABLE token ADD COLUMN key_id BLOB;"
                                  "ALTER TABLE token ADD COLUMN boot_id BLOB;"
                                  "ALTER TABLE token ADD COLUMN expires_boot INTEGER;"
                                  "PRAGMA user_version = 2;"
                                  "COMMIT;";

_Static_assert(APPLICATION_ID == 1886348396, "the schema has APPLICATION_ID in decimal");

/* Executes a transaction. A statement that fails leaves it open, so it is rolled back here. */
static int execute_whole(struct database *database, const char *sql)
{
    int r = execute(database, sql);

    if (r < 0)
        execute(database, "ROLLBACK");
    return r;
}

/* Checks whose database it is, before writing or locking: others are not changed in any way. */
static int look(struct database *database, int64_t *ret_version, char *ret_error)
{
    int64_t application_id = 0, n_tables = 0;
    int r = query_number(database, "PRAGMA application_id", &application_id);

    if (r == 0)
        r = query_number(database, "PRAGMA user_version", ret_version);
    if (r == 0)
        r = query_number(database, "SELECT count(*) FROM sqlite_schema", &n_tables);
    if (r < 0)
        return r;
    if (n_tables == 0 && application_id == 0 && *ret_version == 0)
        return 0;
    if (application_id != APPLICATION_ID || *ret_version < 1) {
        snprintf(ret_error, DATABASE_ERROR_MAX, "it is not a podlogin cache");
        return -EMEDIUMTYPE;
    }
    if (*ret_version > SCHEMA_VERSION) {
        snprintf(ret_error, DATABASE_ERROR_MAX, "a newer version of podlogin wrote it");
        return -EPROTONOSUPPORT;
    }
    return 0;
}

static int meta_read(struct database *database)
{
    CLEANUP(stmt_freep)
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(database->db, "SELECT database_id, seen FROM meta WHERE id = 1",
                                  -1, &statement, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code != SQLITE_ROW)
        return code == SQLITE_DONE ? -EUCLEAN : errno_of(code);
    if (sqlite3_column_bytes(statement, 0) != DATABASE_ID_SIZE)
        return -EUCLEAN;
    memcpy(database->id, sqlite3_column_blob(statement, 0), DATABASE_ID_SIZE);
    database->seen_s = sqlite3_column_int64(statement, 1);
    return 0;
}

static int settle(struct database *database, uint32_t rows_max, int64_t version)
{
    static const char settings[] = "PRAGMA journal_mode = WAL;"
                                   "PRAGMA synchronous = FULL;"
                                   "PRAGMA secure_delete = ON;"
                                   "PRAGMA cache_size = -512;";
    char pages[64];
    int r;

    snprintf(pages, sizeof(pages), "PRAGMA max_page_count = %llu",
             PAGES_SPARE + (unsigned long long)PAGES_PER_ROW * rows_max);
    r = execute(database, settings);
    if (r == 0)
        r = execute(database, pages);
    if (r == 0 && version == 0)
        r = execute_whole(database, schema);
    if (r == 0 && version == 1)
        r = execute_whole(database, from_1_to_2);
    return r;
}

static int prepare(struct database *database, const char *path, uint32_t rows_max, char *ret_error)
{
    int code = sqlite3_open_v2(path, &database->db,
                               SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW |
                                   SQLITE_OPEN_NOMUTEX,
                               NULL);
    int64_t version = 0;
    int r = errno_of(code);

    /* set before WAL: avoids the shared-memory file, and detects a second daemon */
    if (r == 0)
        r = execute(database, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA trusted_schema = OFF;");
    if (r == 0)
        r = look(database, &version, ret_error);
    if (r == 0) /* acquires the lock */
        r = execute(database, "BEGIN IMMEDIATE; COMMIT;");
    if (r == 0)
        r = settle(database, rows_max, version);
    if (r == 0)
        r = meta_read(database);
    if (r == 0)
        r = errno_of(sqlite3_prepare_v3(
            database->db, "INSERT OR REPLACE INTO token (" COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?)",
            -1, SQLITE_PREPARE_PERSISTENT, &database->insert, NULL));
    if (r == 0)
        r = errno_of(sqlite3_prepare_v3(database->db,
                                        "SELECT " COLUMNS " FROM token WHERE name = ?", -1,
                                        SQLITE_PREPARE_PERSISTENT, &database->find, NULL));
    return r;
}

int database_open(struct database *database, const char *path, uint32_t rows_max,
                  char ret_error[DATABASE_ERROR_MAX])
{
    int r;

    *database = (struct database){0};
    ret_error[0] = '\0';
    r = prepare(database, path, rows_max, ret_error);
    if (r == -EBUSY)
        snprintf(ret_error, DATABASE_ERROR_MAX,
                 "another process has locked it (is another podlogind running?)");
    if (r < 0 && !ret_error[0])
        snprintf(ret_error, DATABASE_ERROR_MAX, "%s",
                 database->db ? sqlite3_errmsg(database->db) : strerror(-r));
    if (r < 0)
        database_close(database);
    return r;
}

bool database_has_moved(const struct database *database)
{
    int has_moved = 0;

    return sqlite3_file_control(database->db, "main", SQLITE_FCNTL_HAS_MOVED, &has_moved) ==
               SQLITE_OK &&
           has_moved;
}

void database_close(struct database *database)
{
    bool is_ours = database->find;

    sqlite3_finalize(database->insert);
    sqlite3_finalize(database->find);
    sqlite3_finalize(database->read);
    if (is_ours)
        sqlite3_wal_checkpoint_v2(database->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    sqlite3_close(database->db);
    *database = (struct database){0};
}

/* Copies a blob. Returns false if it is not of @size bytes. */
static bool blob_read(sqlite3_stmt *statement, int column, void *ret_bytes, size_t size)
{
    if (sqlite3_column_bytes(statement, column) != (int)size)
        return false;
    memcpy(ret_bytes, sqlite3_column_blob(statement, column), size);
    return true;
}

static int row_read(sqlite3_stmt *statement, struct database_row *ret_row)
{
    struct database_row *row = ret_row;
    bool is_of_1 = sqlite3_column_type(statement, 4) == SQLITE_NULL;

    *row = (struct database_row){.version = is_of_1 ? 1 : 2};
    if (!blob_read(statement, 0, row->name.bytes, DIGEST_SIZE) ||
        sqlite3_column_type(statement, 3) != SQLITE_BLOB)
        return -EUCLEAN;
    if (!is_of_1 && (!blob_read(statement, 4, row->key_id, DATABASE_KEY_ID_SIZE) ||
                     !blob_read(statement, 5, row->boot_id, BOOT_ID_SIZE)))
        return -EUCLEAN;
    row->created_s = sqlite3_column_int64(statement, 1);
    row->expires_s = sqlite3_column_int64(statement, 2);
    row->expires_boot_usec = (uint64_t)sqlite3_column_int64(statement, 6);
    row->sealed = sqlite3_column_blob(statement, 3);
    row->sealed_len = (size_t)sqlite3_column_bytes(statement, 3);
    return 0;
}

static int step_rows(sqlite3_stmt *statement, size_t n, database_on_row on_row, void *data)
{
    int code = SQLITE_ROW;

    for (; n > 0 && (code = sqlite3_step(statement)) == SQLITE_ROW; n--) {
        struct database_row row;
        int r = row_read(statement, &row);

        if (r == 0)
            r = on_row(data, &row);
        if (r < 0)
            return r;
    }
    return code == SQLITE_ROW ? 1 : errno_of(code);
}

int database_read(struct database *database, size_t n, database_on_row on_row, void *data)
{
    int code = SQLITE_OK, r;

    if (!database->read)
        code = sqlite3_prepare_v2(database->db, "SELECT " COLUMNS " FROM token", -1,
                                  &database->read, NULL);
    r = code == SQLITE_OK ? step_rows(database->read, n, on_row, data) : errno_of(code);
    if (r <= 0) {
        sqlite3_finalize(database->read);
        database->read = NULL;
    }
    return r;
}

int database_find(struct database *database, const struct digest *name, database_on_row on_row,
                  void *data)
{
    sqlite3_stmt *find = database->find;
    int r;

    sqlite3_bind_blob(find, 1, name->bytes, DIGEST_SIZE, SQLITE_STATIC);
    r = step_rows(find, 1, on_row, data);
    sqlite3_reset(find);
    sqlite3_clear_bindings(find);
    return r < 0 ? r : 0;
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
    sqlite3_bind_blob(insert, 5, row->key_id, DATABASE_KEY_ID_SIZE, SQLITE_STATIC);
    sqlite3_bind_blob(insert, 6, row->boot_id, BOOT_ID_SIZE, SQLITE_STATIC);
    sqlite3_bind_int64(insert, 7, (int64_t)row->expires_boot_usec);
    code = sqlite3_step(insert);
    sqlite3_reset(insert);
    sqlite3_clear_bindings(insert);
    return errno_of(code);
}

static int delete_names(struct database *database, const struct digest *names, size_t n,
                        const char *operator)
{
    char sql[64 + 2 * NAMES_PER_DELETION];
    sqlite3_stmt *statement = NULL;
    int r, len = snprintf(sql, sizeof(sql), "DELETE FROM token WHERE name %s (", operator);

    for (size_t i = 0; i < n; i++)
        len += snprintf(sql + len, sizeof(sql) - (size_t)len, i ? ",?" : "?");
    strcpy(sql + len, ")");
    r = errno_of(sqlite3_prepare_v2(database->db, sql, -1, &statement, NULL));
    for (size_t i = 0; i < n && r == 0; i++)
        r = errno_of(sqlite3_bind_blob(statement, (int)i + 1, names[i].bytes,
                                       sizeof(names[i].bytes), SQLITE_STATIC));
    if (r == 0)
        r = errno_of(sqlite3_step(statement));
    sqlite3_finalize(statement);
    return r;
}

int database_delete(struct database *database, const struct digest *names, size_t n,
                    bool all_others)
{
    int r = 0;

    if (all_others)
        return n > NAMES_PER_DELETION ? -E2BIG : delete_names(database, names, n, "NOT IN");
    for (size_t i = 0; i < n && r == 0; i += NAMES_PER_DELETION)
        r = delete_names(database, names + i,
                         n - i < NAMES_PER_DELETION ? n - i : NAMES_PER_DELETION, "IN");
    return r;
}

int database_commit(struct database *database)
{
    return execute(database, "COMMIT");
}

void database_rollback(struct database *database)
{
    execute(database, "ROLLBACK");
}

static int delete_surplus(struct database *database, uint32_t rows_max)
{
    char sql[160];
    int64_t n = 0;
    int r = query_number(database, "SELECT count(*) FROM token", &n);

    if (r < 0 || n <= rows_max)
        return r;
    snprintf(
        sql, sizeof(sql),
        "DELETE FROM token WHERE rowid IN (SELECT rowid FROM token ORDER BY expires LIMIT %lld)",
        (long long)(n - rows_max));
    return execute(database, sql);
}

int database_purge(struct database *database, int64_t now_s, uint32_t rows_max)
{
    char sql[192];
    int r;

    snprintf(sql, sizeof(sql),
             "BEGIN IMMEDIATE; DELETE FROM token WHERE expires <= %lld;"
             "UPDATE meta SET seen = max(seen, %lld);",
             (long long)now_s, (long long)now_s);
    r = execute(database, sql);
    if (r == 0)
        r = delete_surplus(database, rows_max);
    if (r == 0)
        r = database_commit(database);
    if (r < 0)
        database_rollback(database);
    if (r == 0)
        r = errno_of(
            sqlite3_wal_checkpoint_v2(database->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL));
    return r;
}
