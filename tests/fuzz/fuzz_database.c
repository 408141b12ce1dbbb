/*
 * Any database: it is opened or refused; one that is foreign or newer is not changed; and only rows
 * that were sealed for it open. What is written to one that opened is read back.
 *
 * The base is a real database with two sealed rows, or one of version 1. The input changes it, with
 * SQL and byte by byte. The disk is simulated, in memory.
 */
#include <stdio.h>

#include "fuzz/fuzz.h"
#include "store/database.h"
#include "store/row.h"
#include "support/disk.h"

#define PATH  "/cache.db"
#define NOW_S INT64_C(1800000000)
#define BOOT  (1000000 * SECOND_USEC)

struct image {
    uint8_t *bytes;
    size_t len;
};

static const struct now now = {.wall_s = NOW_S, .boot_usec = BOOT};
static struct image bases[2];
static struct rows rows = {.boot_id = {2}};

static void key_of(size_t i, struct digest *ret_key)
{
    *ret_key = (struct digest){{(uint8_t)(i + 1), 0xaa}};
}

static sqlite3_file *file_open(int flags)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    sqlite3_file *file = calloc(1, (size_t)vfs->szOsFile);

    PROMISE(file);
    if (vfs->xOpen(vfs, PATH, file, flags | SQLITE_OPEN_MAIN_DB, NULL) == SQLITE_OK)
        return file;
    free(file);
    return NULL;
}

static void file_close(sqlite3_file *file)
{
    file->pMethods->xClose(file);
    free(file);
}

static void image_write(const struct image *image)
{
    sqlite3_file *file = file_open(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);

    PROMISE(file);
    PROMISE(file->pMethods->xWrite(file, image->bytes, (int)image->len, 0) == SQLITE_OK);
    file_close(file);
}

/* The caller frees the bytes. */
static struct image image_read(void)
{
    sqlite3_file *file = file_open(SQLITE_OPEN_READONLY);
    sqlite3_int64 len = 0;
    struct image image;

    PROMISE(file && file->pMethods->xFileSize(file, &len) == SQLITE_OK);
    image = (struct image){malloc((size_t)len + 1), (size_t)len};
    PROMISE(image.bytes);
    PROMISE(file->pMethods->xRead(file, image.bytes, (int)len, 0) == SQLITE_OK);
    file_close(file);
    return image;
}

static sqlite3 *sql_open(void)
{
    sqlite3 *db = NULL;

    PROMISE(sqlite3_open(PATH, &db) == SQLITE_OK);
    sqlite3_exec(db, "PRAGMA locking_mode = EXCLUSIVE", NULL, NULL, NULL);
    return db;
}

static void seal(size_t i, struct database_row *ret_row)
{
    struct record record = {
        .bytes = secret_new("a token", 7),
        .created_s = NOW_S - 10,
        .expires_s = NOW_S + 3600,
        .expires_boot_usec = BOOT + 3600 * SECOND_USEC,
    };
    struct digest key;

    key_of(i, &key);
    PROMISE(record.bytes && row_seal(&rows, &key, &record, ret_row) == 0);
    secret_free(record.bytes);
}

static void make_base(struct image *ret_image)
{
    static const uint8_t key[SEAL_KEY_SIZE] = {1, 2, 3};
    char error[DATABASE_ERROR_MAX];
    struct database database;
    struct database_row row;

    PROMISE(database_open(&database, PATH, 100, error) == 0);
    memcpy(rows.database_id, database.id, sizeof(rows.database_id));
    PROMISE(seal_init(&rows.seal, key) == 0 && database_begin(&database) == 0);
    for (size_t i = 0; i < 2; i++) {
        seal(i, &row);
        PROMISE(database_insert(&database, &row) == 0);
        free((void *)row.sealed);
    }
    PROMISE(database_commit(&database) == 0);
    database_close(&database);
    *ret_image = image_read();
}

static void make_old_base(struct image *ret_image)
{
    sqlite3 *db = sql_open();

    PROMISE(sqlite3_exec(db,
                         "PRAGMA application_id = 1886348396; PRAGMA user_version = 1;"
                         "CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 1),"
                         "                   database_id BLOB NOT NULL);"
                         "CREATE TABLE token (name BLOB NOT NULL UNIQUE, created INTEGER NOT NULL,"
                         "                    expires INTEGER NOT NULL, sealed BLOB NOT NULL);"
                         "INSERT INTO meta VALUES (1, zeroblob(16));"
                         "INSERT INTO token VALUES (zeroblob(32), 1799999990, 1800003600,"
                         "                          zeroblob(100));",
                         NULL, NULL, NULL) == SQLITE_OK);
    sqlite3_close(db);
    *ret_image = image_read();
}

static void set_up(void)
{
    disk_install();
    make_base(&bases[0]);
    disk_wipe();
    make_old_base(&bases[1]);
    disk_wipe();
}

/* Binds a value of any type. */
static void bind(sqlite3_stmt *statement, struct input *input)
{
    uint8_t kind = (uint8_t)input_number(input, 1);
    struct input part = input_part(input, kind >> 2);

    if ((kind & 3) == 0)
        sqlite3_bind_blob(statement, 1, part.at, (int)part.len, SQLITE_TRANSIENT);
    else if ((kind & 3) == 1)
        sqlite3_bind_text(statement, 1, (const char *)part.at, (int)part.len, SQLITE_TRANSIENT);
    else if ((kind & 3) == 2)
        sqlite3_bind_int64(statement, 1, (int64_t)input_number(&part, 8));
    else
        sqlite3_bind_zeroblob(statement, 1, (int)input_number(&part, 2));
}

static void change_by_sql(struct input *input)
{
    static const char *const statements[] = {
        "UPDATE token SET name = ?1 WHERE rowid = 1",
        "UPDATE token SET created = ?1 WHERE rowid = 1",
        "UPDATE token SET expires = ?1 WHERE rowid = 1",
        "UPDATE token SET sealed = ?1 WHERE rowid = 1",
        "UPDATE token SET key_id = ?1 WHERE rowid = 1",
        "UPDATE token SET boot_id = ?1 WHERE rowid = 1",
        "UPDATE token SET expires_boot = ?1 WHERE rowid = 1",
        "UPDATE OR IGNORE token SET name = (SELECT name FROM token WHERE rowid = 2)",
        "UPDATE token SET sealed = (SELECT sealed FROM token WHERE rowid = 2) WHERE rowid = 1",
        "INSERT INTO token VALUES (?1, 1, 2, ?1, ?1, ?1, 3)",
        "UPDATE meta SET database_id = ?1",
        "UPDATE meta SET seen = ?1",
        "UPDATE meta SET database_id = randomblob(16)",
        "DELETE FROM meta",
        "DELETE FROM token",
        "DROP TABLE meta",
        "DROP TABLE token",
        "ALTER TABLE token DROP COLUMN key_id",
        "ALTER TABLE token RENAME COLUMN sealed TO closed",
        "CREATE TRIGGER t BEFORE INSERT ON token BEGIN SELECT RAISE(ABORT, 'no'); END",
        "CREATE TRIGGER t AFTER INSERT ON token BEGIN DELETE FROM token; END",
        "CREATE TRIGGER t AFTER UPDATE ON meta BEGIN DELETE FROM meta; END",
        "CREATE VIEW v AS SELECT 1",
        "PRAGMA user_version = 0",
        "PRAGMA user_version = 1",
        "PRAGMA user_version = 3",
        "PRAGMA user_version = -1",
        "PRAGMA application_id = 0",
        "PRAGMA application_id = 1",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA auto_vacuum = FULL; VACUUM",
    };
    sqlite3 *db = sql_open();
    const char *sql = statements[input_number(input, 1) % (sizeof(statements) / sizeof(char *))];
    sqlite3_stmt *statement = NULL;

    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK) {
        bind(statement, input);
        sqlite3_step(statement);
    }
    sqlite3_finalize(statement);
    sqlite3_close(db);
}

static void change_bytes(struct input *input)
{
    sqlite3_file *file = file_open(SQLITE_OPEN_READWRITE);
    size_t at = input_number(input, 2);
    struct input part = input_part(input, input_number(input, 1) % 32);
    sqlite3_int64 len = 0;

    PROMISE(file && file->pMethods->xFileSize(file, &len) == SQLITE_OK);
    if (part.len == 0)
        file->pMethods->xTruncate(file, (sqlite3_int64)at);
    else if (at + part.len <= (size_t)len)
        file->pMethods->xWrite(file, part.at, (int)part.len, (sqlite3_int64)at);
    file_close(file);
}

/* Whether the header of the file names podlogin and a version up to 2, or nobody. */
static bool is_ours(const struct image *image)
{
    struct input version = {image->bytes + 60, 4}, application = {image->bytes + 68, 4};
    uint64_t number;

    if (image->len < 100)
        return true;
    number = input_number(&version, 4);
    return input_number(&application, 4) == 0x706f646c ? number == 1 || number == 2 : number == 0;
}

static int on_row(void *data, const struct database_row *row)
{
    struct record record = {0};
    enum row_state state;
    struct digest key, first, second;

    (void)data;
    PROMISE(row->version == 1 || row->version == 2);
    PROMISE(row_open(&rows, row, now, &state, &key, &record) == 0);
    if (state != ROW_GOOD && state != ROW_OLD)
        return 0;
    key_of(0, &first);
    key_of(1, &second);
    PROMISE(memcmp(&key, &first, sizeof(key)) == 0 || memcmp(&key, &second, sizeof(key)) == 0);
    PROMISE(record.bytes->len == 7 && memcmp(record.bytes->bytes, "a token", 7) == 0);
    PROMISE(record.expires_s == NOW_S + 3600 && record.created_s == NOW_S - 10);
    secret_free(record.bytes);
    return 0;
}

static void read_all(struct database *database)
{
    int r = 1;

    for (int i = 0; i < 1000 && r > 0; i++)
        r = database_read(database, 3, on_row, NULL);
    PROMISE(r <= 0);
}

static int on_found(void *data, const struct database_row *row)
{
    const struct database_row *written = data;

    PROMISE(memcmp(&row->name, &written->name, sizeof(row->name)) == 0);
    PROMISE(row->version == 2 && row->expires_s == written->expires_s);
    PROMISE(row->sealed_len == written->sealed_len &&
            memcmp(row->sealed, written->sealed, row->sealed_len) == 0);
    return 0;
}

static void write_some(struct database *database)
{
    struct database_row row;

    seal(1, &row);
    if (database_begin(database) == 0 &&
        (database_insert(database, &row) < 0 || database_commit(database) < 0))
        database_rollback(database);
    else
        (void)database_find(database, &row.name, on_found, &row);
    free((void *)row.sealed);
    (void)database_purge(database, NOW_S, 1);
    PROMISE(!database_has_moved(database));
}

/* Returns whether the failure has been explained, and left the file alone if it is not ours. */
static bool is_refused_well(int r, const struct database *database, const char *error,
                            const struct image *before)
{
    bool is_foreign = r == -EMEDIUMTYPE || r == -EPROTONOSUPPORT;
    struct image after = image_read();
    bool is_same = after.len == before->len && memcmp(after.bytes, before->bytes, after.len) == 0;

    free(after.bytes);
    return !database->db && *error && memchr(error, '\0', DATABASE_ERROR_MAX) &&
           (!is_foreign || is_same);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    char error[DATABASE_ERROR_MAX] = "";
    struct database database;
    struct image before;
    int r;

    if (!bases[0].bytes)
        set_up();
    image_write(&bases[input_number(&input, 1) & 1]);
    for (int i = 0; i < 8 && input.len; i++) {
        if (input_number(&input, 1) & 1)
            change_by_sql(&input);
        else
            change_bytes(&input);
    }
    before = image_read();
    r = database_open(&database, PATH, 100, error);
    if (r == 0) {
        PROMISE(is_ours(&before));
        read_all(&database);
        write_some(&database);
        read_all(&database);
        database_close(&database);
    } else {
        PROMISE(is_refused_well(r, &database, error, &before));
    }
    free(before.bytes);
    disk_wipe();
    return 0;
}
