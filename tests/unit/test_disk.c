/*
 * The simulated disk is useful only if a power cut really drops what was not synced: a database
 * that syncs must lose nothing on it, and one that does not sync must lose rows.
 */
#include <sqlite3.h>

#include "support/check.h"
#include "support/disk.h"

#define PATH           "/state/cache.db"
#define N_CUTS         200
#define N_PAYLOAD      900
#define N_FAILURES_MIN 40
#define N_FAILURES_MAX 200 /* the operations of a session are between these */
#define N_IN_FAILED    6   /* rows at the start of a session with failures */

static int install(void **state)
{
    (void)state;
    disk_install();
    return 0;
}

static int forget(void **state)
{
    (void)state;
    disk_wipe();
    return 0;
}

static int uninstall(void **state)
{
    (void)state;
    disk_remove();
    return 0;
}

static int open_database(const char *synchronous, sqlite3 **ret_db)
{
    char sql[256];
    int code = sqlite3_open(PATH, ret_db);

    snprintf(sql, sizeof(sql),
             "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = %s;"
             "PRAGMA wal_autocheckpoint = 12; PRAGMA cache_size = 8;"
             "CREATE TABLE IF NOT EXISTS row (id INTEGER PRIMARY KEY, payload BLOB NOT NULL);",
             synchronous);
    if (code == SQLITE_OK)
        code = sqlite3_exec(*ret_db, sql, NULL, NULL, NULL);
    return code;
}

static void payload_of(int64_t id, uint8_t payload[N_PAYLOAD])
{
    for (size_t i = 0; i < N_PAYLOAD; i++)
        payload[i] = (uint8_t)((uint64_t)id * 31 + i * (uint64_t)(id % 7 + 1));
}

static int insert(sqlite3 *db, int64_t id)
{
    sqlite3_stmt *statement;
    uint8_t payload[N_PAYLOAD];
    int code = sqlite3_prepare_v2(db, "INSERT INTO row VALUES (?, ?)", -1, &statement, NULL);

    if (code != SQLITE_OK)
        return code;
    payload_of(id, payload);
    sqlite3_bind_int64(statement, 1, id);
    sqlite3_bind_blob(statement, 2, payload, sizeof(payload), SQLITE_STATIC);
    sqlite3_step(statement);
    return sqlite3_finalize(statement);
}

static bool row_is_right(sqlite3_stmt *statement, int64_t id)
{
    uint8_t payload[N_PAYLOAD];

    payload_of(id, payload);
    return sqlite3_column_int64(statement, 0) == id &&
           sqlite3_column_bytes(statement, 1) == N_PAYLOAD &&
           memcmp(sqlite3_column_blob(statement, 1), payload, N_PAYLOAD) == 0;
}

/*
 * Reads the rows, which must be 1..@ret_n as they were written. Returns SQLITE_MISMATCH if one is
 * not.
 */
static int read_rows(sqlite3 *db, int64_t *ret_n)
{
    sqlite3_stmt *statement;
    int code =
        sqlite3_prepare_v2(db, "SELECT id, payload FROM row ORDER BY id", -1, &statement, NULL);
    bool are_right = true;

    *ret_n = 0;
    if (code != SQLITE_OK)
        return code;
    while (are_right && sqlite3_step(statement) == SQLITE_ROW)
        are_right = row_is_right(statement, ++*ret_n);
    code = sqlite3_finalize(statement);
    return are_right ? code : SQLITE_MISMATCH;
}

static bool is_intact(sqlite3 *db)
{
    sqlite3_stmt *statement;
    bool is_ok =
        sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW &&
        strcmp((const char *)sqlite3_column_text(statement, 0), "ok") == 0;

    sqlite3_finalize(statement);
    return is_ok;
}

/*
 * Inserts rows until the power fails. Returns the number of rows whose insertion was reported,
 * including @n earlier ones.
 */
static int64_t insert_until_cut(const char *synchronous, int64_t n, uint64_t seed)
{
    sqlite3 *db;
    int code;

    disk_cut_at(1 + seed * 7919 % 150, seed);
    code = open_database(synchronous, &db);
    while (code == SQLITE_OK) {
        code = insert(db, n + 1);
        n += code == SQLITE_OK;
    }
    sqlite3_close(db);
    if (!disk_has_been_cut())
        disk_cut(seed); /* while SQLite is idle */
    return n;
}

/*
 * Returns whether, after a cut, no reported row is missing, all are intact, and there is at most
 * one more.
 */
static bool survives(const char *synchronous, int64_t n_reported, int64_t *ret_n)
{
    sqlite3 *db;
    bool is_good = open_database(synchronous, &db) == SQLITE_OK && is_intact(db) &&
                   read_rows(db, ret_n) == SQLITE_OK &&
                   (*ret_n == n_reported || *ret_n == n_reported + 1);

    sqlite3_close(db);
    return is_good;
}

/* Returns the number of cuts that lost rows or damaged the database. */
static int count_losses(const char *synchronous, int *ret_n_unreported)
{
    int64_t n = 0, n_reported;
    int n_losses = 0;

    *ret_n_unreported = 0;
    for (uint64_t seed = 1; seed <= N_CUTS; seed++) {
        n_reported = insert_until_cut(synchronous, n, seed);
        if (survives(synchronous, n_reported, &n)) {
            *ret_n_unreported += n > n_reported;
        } else {
            n_losses++;
            n = 0;
        }
        if (n == 0 || n > 300) {
            disk_wipe();
            n = 0;
        }
    }
    return n_losses;
}

static void no_cut_loses_a_row_that_was_synced(void **state)
{
    int n_unreported;

    (void)state;
    assert_int_equal(count_losses("FULL", &n_unreported), 0);
    assert_true(n_unreported > 0); /* some of the commits that a cut interrupts survive */
}

static void cuts_lose_rows_that_were_not_synced(void **state)
{
    int n_unreported;

    (void)state;
    assert_true(count_losses("OFF", &n_unreported) > N_CUTS / 10);
}

static int checkpoint(sqlite3 *db)
{
    return sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
}

static void make_rows(int64_t n)
{
    sqlite3 *db;

    disk_wipe();
    assert_int_equal(open_database("FULL", &db), SQLITE_OK);
    for (int64_t id = 1; id <= n; id++)
        assert_int_equal(insert(db, id), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/*
 * A process that reads, writes and ends. Returns its first error, and the number of rows that it
 * knows to be there. The result of closing does not count: SQLite ignores such a failure, because
 * the WAL is read again next time.
 */
static int use_database(int64_t *ret_n)
{
    sqlite3 *db;
    int64_t n_read = 0;
    int code = open_database("FULL", &db);

    *ret_n = N_IN_FAILED;
    if (code == SQLITE_OK)
        code = read_rows(db, &n_read);
    assert_int_not_equal(code, SQLITE_MISMATCH);
    if (code == SQLITE_OK)
        assert_int_equal(n_read, N_IN_FAILED);
    for (int i = 0; i < 4 && code == SQLITE_OK; i++) {
        code = insert(db, *ret_n + 1);
        *ret_n += code == SQLITE_OK;
    }
    if (code == SQLITE_OK)
        code = checkpoint(db);
    assert_int_equal(code != SQLITE_OK, disk_has_failed());
    sqlite3_close(db);
    return code;
}

static void assert_told(int code, int injected)
{
    switch (code & 0xff) {
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        return;
    default:
        assert_int_equal(code & 0xff, injected & 0xff);
    }
}

/* Runs a session for each operation that can fail, until none fails. */
static void fail_each(int injected, bool for_ever)
{
    bool has_failed = true;
    uint64_t at = 0;

    while (has_failed) {
        int64_t n_reported, n;
        int code;

        make_rows(N_IN_FAILED);
        disk_fail_at(++at, injected, for_ever);
        code = use_database(&n_reported);
        has_failed = disk_has_failed();
        disk_heal();
        if (code != SQLITE_OK)
            assert_told(code, injected);
        assert_true(survives("FULL", n_reported, &n));
        assert_true(at < N_FAILURES_MAX);
    }
    assert_true(at > N_FAILURES_MIN);
}

static void each_failure_is_reported_and_damages_no_row(void **state)
{
    static const int codes[] = {SQLITE_IOERR, SQLITE_FULL, SQLITE_READONLY, SQLITE_CANTOPEN,
                                SQLITE_BUSY};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
        fail_each(codes[i], false);
        fail_each(codes[i], true);
    }
}

/* Opens a file of the disk through the VFS, without SQLite. */
static sqlite3_file *open_file(const char *path)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    sqlite3_file *file = calloc(1, (size_t)vfs->szOsFile);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MAIN_DB;

    assert_non_null(file);
    assert_int_equal(vfs->xOpen(vfs, path, file, flags, NULL), SQLITE_OK);
    return file;
}

static void close_file(sqlite3_file *file)
{
    assert_int_equal(file->pMethods->xClose(file), SQLITE_OK);
    free(file);
}

/*
 * Writes 512 zeros and syncs them, then writes ones just before a power cut. Returns the number of
 * ones after it.
 */
static int ones_after_cut(uint64_t seed)
{
    uint8_t bytes[512] = {0};
    sqlite3_file *file;
    int n = 0;

    disk_wipe();
    file = open_file("/file");
    assert_int_equal(file->pMethods->xWrite(file, bytes, sizeof(bytes), 0), SQLITE_OK);
    assert_int_equal(file->pMethods->xSync(file, SQLITE_SYNC_NORMAL), SQLITE_OK);
    memset(bytes, 1, sizeof(bytes));
    assert_int_equal(file->pMethods->xWrite(file, bytes, sizeof(bytes), 0), SQLITE_OK);
    disk_cut(seed);
    assert_int_equal(file->pMethods->xRead(file, bytes, sizeof(bytes), 0), SQLITE_IOERR);
    close_file(file);

    file = open_file("/file");
    assert_int_equal(file->pMethods->xRead(file, bytes, sizeof(bytes), 0), SQLITE_OK);
    close_file(file);
    while (n < 512 && bytes[n] == 1)
        n++;
    for (int i = n; i < 512; i++)
        assert_int_equal(bytes[i], 0);
    return n;
}

static void a_write_is_kept_dropped_or_torn_as_the_seed_determines(void **state)
{
    int n_kept = 0, n_dropped = 0, n_torn = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        int n = ones_after_cut(seed);

        assert_int_equal(ones_after_cut(seed), n);
        n_kept += n == 512;
        n_dropped += n == 0;
        n_torn += n > 0 && n < 512;
    }
    assert_true(n_kept > 10 && n_dropped > 10 && n_torn > 10);
}

/* Returns how often a file exists after a cut. */
static int count_survivors(bool is_synced, bool is_deleted, int sync_directory)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    int n = 0;

    for (uint64_t seed = 0; seed < 100; seed++) {
        sqlite3_file *file;
        int is_there;

        disk_wipe();
        file = open_file("/file");
        if (is_synced)
            assert_int_equal(file->pMethods->xSync(file, SQLITE_SYNC_NORMAL), SQLITE_OK);
        close_file(file);
        if (is_deleted)
            assert_int_equal(vfs->xDelete(vfs, "/file", sync_directory), SQLITE_OK);
        disk_cut(seed);
        assert_int_equal(vfs->xAccess(vfs, "/file", SQLITE_ACCESS_EXISTS, &is_there), SQLITE_OK);
        n += is_there;
    }
    return n;
}

static void a_file_name_survives_once_it_is_synced(void **state)
{
    (void)state;
    assert_int_equal(count_survivors(true, false, 0), 100);
    assert_int_equal(count_survivors(true, true, 1), 0);
    assert_in_range(count_survivors(false, false, 0), 20, 80);
    assert_in_range(count_survivors(true, true, 0), 20, 80);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(no_cut_loses_a_row_that_was_synced, forget),
        cmocka_unit_test_setup(cuts_lose_rows_that_were_not_synced, forget),
        cmocka_unit_test_setup(each_failure_is_reported_and_damages_no_row, forget),
        cmocka_unit_test_setup(a_write_is_kept_dropped_or_torn_as_the_seed_determines, forget),
        cmocka_unit_test_setup(a_file_name_survives_once_it_is_synced, forget),
    };

    return cmocka_run_group_tests(tests, install, uninstall);
}
