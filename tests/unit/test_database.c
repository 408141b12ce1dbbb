/* The SQLite database: which databases are opened or refused, and why, and which rows are read. */
#include "store/database.h"
#include "support/scratch.h"

#define ROWS_MAX 100

static char directory[SCRATCH_MAX], path[SCRATCH_MAX + 16];

static int make(void **state)
{
    (void)state;
    scratch_make(directory, "/tmp");
    snprintf(path, sizeof(path), "%s/cache.db", directory);
    return 0;
}

static int clean(void **state)
{
    (void)state;
    scratch_remove(directory);
    return 0;
}

static void open_good(struct database *database)
{
    char error[DATABASE_ERROR_MAX];

    if (database_open(database, path, ROWS_MAX, error) != 0)
        fail_msg("%s", error);
    assert_string_equal(error, "");
}

static int open_bad(void)
{
    char error[DATABASE_ERROR_MAX] = "";
    struct database database;
    int r = database_open(&database, path, ROWS_MAX, error);

    if (r == 0) {
        database_close(&database);
        return 0;
    }
    assert_string_not_equal(error, "");
    assert_null(database.db);
    return r;
}

/* Changes the database, bypassing the daemon's code. */
static void sql(const char *statements)
{
    sqlite3 *db;
    char *error = NULL;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, statements, NULL, NULL, &error) != SQLITE_OK)
        fail_msg("%s", error);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void insert(struct database *database, uint8_t name, int64_t expires_s, const char *sealed)
{
    struct database_row row = {.version = 2,
                               .name = {{name}},
                               .created_s = 100,
                               .expires_s = expires_s,
                               .sealed = (const uint8_t *)sealed,
                               .sealed_len = strlen(sealed)};

    assert_int_equal(database_begin(database), 0);
    assert_int_equal(database_insert(database, &row), 0);
    assert_int_equal(database_commit(database), 0);
}

struct rows {
    char text[256]; /* "name expires sealed;" for each row */
    int result;
};

static int on_row(void *data, const struct database_row *row)
{
    struct rows *rows = data;
    size_t len = strlen(rows->text);

    snprintf(rows->text + len, sizeof(rows->text) - len, "%d %d %.*s;", row->name.bytes[0],
             (int)row->expires_s, (int)row->sealed_len, (const char *)row->sealed);
    assert_int_equal(row->created_s, 100);
    return rows->result;
}

static const char *load(struct database *database)
{
    static struct rows rows;
    int r;

    rows = (struct rows){0};
    while ((r = database_read(database, 1, on_row, &rows)) > 0)
        ;
    assert_int_equal(r, 0);
    return rows.text;
}

static void rows_survive_a_restart(void **state)
{
    struct database database;
    uint8_t id[DATABASE_ID_SIZE];

    (void)state;
    open_good(&database);
    memcpy(id, database.id, sizeof(id));
    assert_string_equal(load(&database), "");
    insert(&database, 1, 1000, "one");
    insert(&database, 2, 2000, "two");
    insert(&database, 1, 1500, "again"); /* the same name */
    database_close(&database);
    open_good(&database);
    assert_memory_equal(database.id, id, sizeof(id));
    assert_non_null(strstr(load(&database), "1 1500 again;"));
    assert_non_null(strstr(load(&database), "2 2000 two;"));
    database_close(&database);
}

static void rolled_back_rows_are_not_stored(void **state)
{
    struct database_row row = {.name = {{3}},
                               .created_s = 100,
                               .expires_s = 9,
                               .sealed = (const uint8_t *)"x",
                               .sealed_len = 1};
    struct database database;

    (void)state;
    open_good(&database);
    insert(&database, 1, 1000, "one");
    assert_int_equal(database_begin(&database), 0);
    assert_int_equal(database_insert(&database, &row), 0);
    database_rollback(&database);
    assert_string_equal(load(&database), "1 1000 one;");
    database_close(&database);
}

static void the_callback_can_stop_the_reading(void **state)
{
    struct rows rows = {.result = -ENOMEM};
    struct database database;

    (void)state;
    open_good(&database);
    insert(&database, 1, 1000, "one");
    insert(&database, 2, 1000, "two");
    assert_int_equal(database_read(&database, 100, on_row, &rows), -ENOMEM);
    assert_string_equal(rows.text, "1 1000 one;");
    database_close(&database);
}

static bool file_holds(const char *suffix, const char *needle)
{
    char name[SCRATCH_MAX + 32];
    CLEANUP(freep)
    char *bytes = NULL;
    size_t len;

    snprintf(name, sizeof(name), "%s%s", path, suffix);
    if (access(name, F_OK) < 0)
        return false;
    bytes = scratch_read(name, &len);
    return memmem(bytes, len, needle, strlen(needle)) != NULL;
}

static void a_purge_removes_expired_rows_from_all_files(void **state)
{
    struct database database;

    (void)state;
    open_good(&database);
    insert(&database, 1, 1000, "expired-row-bytes");
    insert(&database, 2, 2000, "living-row-bytes");
    assert_true(file_holds("", "expired-row-bytes") || file_holds("-wal", "expired-row-bytes"));
    assert_int_equal(database_purge(&database, 1000, ROWS_MAX), 0);
    assert_string_equal(load(&database), "2 2000 living-row-bytes;");
    assert_false(file_holds("", "expired-row-bytes"));
    assert_false(file_holds("-wal", "expired-row-bytes"));
    assert_true(file_holds("", "living-row-bytes"));
    database_close(&database);
}

static void each_new_database_has_its_own_id(void **state)
{
    uint8_t id[DATABASE_ID_SIZE];
    struct database database;

    (void)state;
    open_good(&database);
    memcpy(id, database.id, sizeof(id));
    database_close(&database);
    assert_int_equal(remove(path), 0);
    open_good(&database);
    assert_memory_not_equal(database.id, id, sizeof(id));
    database_close(&database);
}

static void the_file_has_the_right_schema_and_settings(void **state)
{
    static const struct {
        const char *query, *expected;
    } cases[] = {
        {"PRAGMA application_id", "1886348396"},
        {"PRAGMA user_version", "2"},
        {"PRAGMA journal_mode", "wal"},
        {"PRAGMA synchronous", "2"},
        {"PRAGMA secure_delete", "1"},
        {"PRAGMA locking_mode", "exclusive"},
        {"PRAGMA trusted_schema", "0"},
        {"SELECT count(*) FROM sqlite_schema WHERE type = 'table'", "2"},
        {"SELECT count(*) FROM sqlite_schema WHERE type IN ('view', 'trigger')", "0"},
        {"SELECT count(*) FROM meta", "1"},
    };
    struct database database;

    (void)state;
    open_good(&database);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        sqlite3_stmt *statement;

        assert_int_equal(sqlite3_prepare_v2(database.db, cases[i].query, -1, &statement, NULL),
                         SQLITE_OK);
        assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
        assert_string_equal((const char *)sqlite3_column_text(statement, 0), cases[i].expected);
        sqlite3_finalize(statement);
    }
    database_close(&database);
}

static void a_second_daemon_finds_the_database_locked(void **state)
{
    struct database database, again;

    (void)state;
    open_good(&database);
    assert_int_equal(open_bad(), -EBUSY);
    insert(&database, 1, 1000, "one"); /* the first one still works */
    database_close(&database);
    open_good(&again);
    assert_string_equal(load(&again), "1 1000 one;");
    database_close(&again);
}

#define GOOD_SCHEMA                                                                                \
    "PRAGMA application_id = 1886348396; PRAGMA user_version = 1;"                                 \
    "CREATE TABLE meta (id INTEGER PRIMARY KEY, database_id BLOB);"                                \
    "CREATE TABLE token (name BLOB UNIQUE, created, expires, sealed);"                             \
    "INSERT INTO meta VALUES (1, randomblob(16));"

static void foreign_databases_are_refused(void **state)
{
    static const struct {
        const char *why, *sql;
        int result;
    } cases[] = {
        {"the schema, created by hand", GOOD_SCHEMA, 0},
        {"of another application", "CREATE TABLE t (x);", -EMEDIUMTYPE},
        {"the id of another application", GOOD_SCHEMA "PRAGMA application_id = 1;", -EMEDIUMTYPE},
        {"an id and nothing else", "PRAGMA application_id = 1;", -EMEDIUMTYPE},
        {"our tables without our id", GOOD_SCHEMA "PRAGMA application_id = 0;", -EMEDIUMTYPE},
        {"a newer version", GOOD_SCHEMA "PRAGMA user_version = 3;", -EPROTONOSUPPORT},
        {"a much newer version", GOOD_SCHEMA "PRAGMA user_version = 2147483647;", -EPROTONOSUPPORT},
        {"no version", GOOD_SCHEMA "PRAGMA user_version = 0;", -EMEDIUMTYPE},
        {"no table meta", GOOD_SCHEMA "DROP TABLE meta;", -EUCLEAN},
        {"no table token", GOOD_SCHEMA "DROP TABLE token;", -EUCLEAN},
        {"no row with the id", GOOD_SCHEMA "DELETE FROM meta;", -EUCLEAN},
        {"a short id", GOOD_SCHEMA "UPDATE meta SET database_id = x'00';", -EUCLEAN},
        {"a long id", GOOD_SCHEMA "UPDATE meta SET database_id = randomblob(17);", -EUCLEAN},
        {"id NULL", GOOD_SCHEMA "UPDATE meta SET database_id = NULL;", -EUCLEAN},
        {"another column", GOOD_SCHEMA "ALTER TABLE token RENAME COLUMN sealed TO open;", -EUCLEAN},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct database database;
        char *before, *after;
        size_t len_before, len_after;
        int r;

        clean(NULL);
        make(NULL);
        sql(cases[i].sql);
        if (cases[i].result == 0) {
            open_good(&database);
            database_close(&database);
            continue;
        }
        before = scratch_read(path, &len_before);
        r = open_bad();
        after = scratch_read(path, &len_after);
        if (r != cases[i].result)
            fail_msg("%s: %d", cases[i].why, r);
        /* a database that is not podlogin's is not changed at all */
        if (r == -EMEDIUMTYPE) {
            assert_int_equal(len_before, len_after);
            assert_memory_equal(before, after, len_before);
        }
        free(before);
        free(after);
    }
}

static void version_1_is_upgraded(void **state)
{
    struct database database;

    (void)state;
    sql(GOOD_SCHEMA "INSERT INTO token VALUES (x'07' || zeroblob(31), 100, 1000, x'616263');");
    for (int i = 0; i < 2; i++) {
        open_good(&database);
        assert_int_equal(database.seen_s, i ? 500 : 0);
        assert_string_equal(load(&database), i ? "7 1000 abc;8 2000 new;" : "7 1000 abc;");
        if (i == 0)
            insert(&database, 8, 2000, "new");
        assert_int_equal(database_purge(&database, 500, ROWS_MAX), 0);
        database_close(&database);
    }
    sql("CREATE TEMP TABLE t (n CHECK (n = 2)); INSERT INTO t SELECT user_version FROM "
        "pragma_user_version");
}

static void if_there_are_too_many_rows_those_that_expire_first_are_deleted(void **state)
{
    struct database database;

    (void)state;
    open_good(&database);
    insert(&database, 1, 3000, "c");
    insert(&database, 2, 1000, "a");
    insert(&database, 3, 4000, "d");
    insert(&database, 4, 2000, "b");
    assert_int_equal(database_purge(&database, 500, 4), 0);
    assert_string_equal(load(&database), "1 3000 c;2 1000 a;3 4000 d;4 2000 b;");
    assert_int_equal(database_purge(&database, 500, 2), 0);
    assert_string_equal(load(&database), "1 3000 c;3 4000 d;");
    database_close(&database);
}

/* A full file is not a permanent state: expired rows make room. */
static void the_size_of_the_file_is_limited(void **state)
{
    static char bytes[30000];
    struct database database;
    struct stat st;
    int r = 0, n = 0;

    (void)state;
    memset(bytes, 'x', sizeof(bytes) - 1);
    open_good(&database);
    for (; n < 250 && r == 0; n++) {
        struct database_row row = {.version = 2,
                                   .name = {{(uint8_t)n}},
                                   .created_s = 100,
                                   .expires_s = 1000,
                                   .sealed = (const uint8_t *)bytes,
                                   .sealed_len = sizeof(bytes)};

        r = database_begin(&database);
        if (r == 0)
            r = database_insert(&database, &row);
        if (r == 0)
            r = database_commit(&database);
        if (r < 0)
            database_rollback(&database);
    }
    assert_int_equal(r, -ENOSPC);
    assert_in_range(n, 50, 240);
    assert_int_equal(database_purge(&database, 1000, ROWS_MAX), 0);
    insert(&database, 1, 2000, "there is room");
    assert_int_equal(database_purge(&database, 1000, ROWS_MAX), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_in_range(st.st_size, 0, (256 + 4 * ROWS_MAX) * 4096);
    database_close(&database);
}

static void malformed_rows_are_reported_as_damage(void **state)
{
    static const char *const cases[] = {
        "INSERT INTO token VALUES (x'00', 100, 1000, x'00')",
        "INSERT INTO token VALUES (zeroblob(33), 100, 1000, x'00')",
        "INSERT INTO token VALUES (NULL, 100, 1000, x'00')",
        "INSERT INTO token VALUES (zeroblob(32), 100, 1000, NULL)",
        "INSERT INTO token VALUES (zeroblob(32), 100, 1000, 'text')",
        "INSERT INTO token VALUES (zeroblob(32), 100, 1000, 5)",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct rows rows = {0};
        struct database database;

        clean(NULL);
        make(NULL);
        sql(GOOD_SCHEMA);
        sql(cases[i]);
        open_good(&database);
        if (database_read(&database, 100, on_row, &rows) != -EUCLEAN)
            fail_msg("row %zu: %s", i, rows.text);
        database_close(&database);
    }
}

static void a_file_that_is_not_a_database_is_refused(void **state)
{
    CLEANUP(freep)
    char *bytes = NULL;
    struct database database;
    size_t len;

    (void)state;
    scratch_write(path, "this is text, not a database, however long it may be", 52, 0600);
    assert_int_equal(open_bad(), -EUCLEAN);
    remove(path);
    open_good(&database);
    database_close(&database);
    bytes = scratch_read(path, &len);
    /* a file without its second page has no id */
    assert_true(len > 8192);
    for (size_t cut = 512; cut < 8192; cut += 97) {
        remove(path);
        scratch_write(path, bytes, cut, 0600);
        if (open_bad() != -EUCLEAN)
            fail_msg("opened a file truncated to %zu bytes", cut);
    }
}

static void a_link_or_a_missing_directory_is_refused(void **state)
{
    char target[SCRATCH_MAX + 16];

    (void)state;
    snprintf(target, sizeof(target), "%s/target", directory);
    scratch_write(target, "", 0, 0600);
    assert_int_equal(symlink(target, path), 0);
    assert_true(open_bad() < 0);
    snprintf(path, sizeof(path), "%s/no/cache.db", directory);
    assert_int_equal(open_bad(), -EIO);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rows_survive_a_restart),
        TEST(rolled_back_rows_are_not_stored),
        TEST(the_callback_can_stop_the_reading),
        TEST(a_purge_removes_expired_rows_from_all_files),
        TEST(each_new_database_has_its_own_id),
        TEST(the_file_has_the_right_schema_and_settings),
        TEST(a_second_daemon_finds_the_database_locked),
        TEST(foreign_databases_are_refused),
        TEST(version_1_is_upgraded),
        TEST(if_there_are_too_many_rows_those_that_expire_first_are_deleted),
        TEST(the_size_of_the_file_is_limited),
        TEST(malformed_rows_are_reported_as_damage),
        TEST(a_file_that_is_not_a_database_is_refused),
        TEST(a_link_or_a_missing_directory_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
