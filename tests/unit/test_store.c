/*
 * What survives a restart, and what must not: rows that were changed, swapped, prolonged or copied
 * from another database are misses; they are never served.
 */
#include <sqlite3.h>

#include "store/seal.h"
#include "support/store_fixture.h"

/* Creates a store with two tokens, and closes it. */
static void fill(void)
{
    struct loaded loaded;
    struct store *store = open_good(&loaded);

    assert_int_equal(put(store, 1, "pul-one", 1000), 0);
    assert_int_equal(put(store, 2, "pul-two", 2000), 0);
    store_close(store);
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

static void a_token_survives_a_restart(void **state)
{
    struct loaded loaded;
    struct store *store;

    (void)state;
    fill();
    store = open_good(&loaded);
    assert_string_equal(loaded.text[1], "pul-one@1000");
    assert_string_equal(loaded.text[2], "pul-two@2000");
    assert_int_equal(put(store, 1, "pul-newer", 3000), 0);
    store_close(store);
    store = open_good(&loaded);
    assert_string_equal(loaded.text[1], "pul-newer@3000");
    assert_string_equal(loaded.text[2], "pul-two@2000");
    store_close(store);
}

static void closing_completes_writes_without_callbacks(void **state)
{
    enum {
        N = 10
    };
    struct store_write *writes[N];
    struct loaded loaded;
    struct store *store = open_good(&loaded);

    (void)state;
    last_result = 1;
    for (uint8_t i = 0; i < N; i++) {
        struct record record = {.bytes = frame_of("pul-x", now_s + 100),
                                .created_s = now_s,
                                .expires_s = now_s + 100,
                                .expires_boot_usec = clock_boot_usec() + 100 * SECOND_USEC};
        struct digest key = {{i}};

        writes[i] = calloc(1, sizeof(*writes[i]));
        writes[i]->on_done = on_done;
        assert_int_equal(store_put(store, writes[i], &key, &record), 0);
        secret_free(record.bytes);
    }
    store_close(store);
    assert_int_equal(last_result, 1);
    store = open_good(&loaded);
    for (size_t i = 0; i < N; i++) {
        assert_string_equal(loaded.text[i], "pul-x@100");
        free(writes[i]);
    }
    store_close(store);
    assert_null(store_close(NULL));
}

static void files_are_private_and_have_no_plaintext(void **state)
{
    static const char *const suffixes[] = {"", "-wal"};
    static const char *const needles[] = {"pul-one", "pul-two", "token_type"};
    struct loaded loaded;
    struct store *store = open_good(&loaded);
    uint8_t key[] = {1, 0xaa, 0, 0, 0, 0, 0, 0};

    (void)state;
    assert_int_equal(put(store, 1, "pul-one", 1000), 0);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
            CLEANUP(freep)
            char *bytes = NULL;
            char name[SCRATCH_MAX + 32];
            struct stat st;
            size_t len;

            snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
            if (stat(name, &st) < 0)
                continue;
            assert_int_equal(st.st_mode & 0077, 0);
            bytes = scratch_read(name, &len);
            for (size_t j = 0; j < ARRAY_SIZE(needles); j++)
                assert_null(memmem(bytes, len, needles[j], strlen(needles[j])));
            assert_null(memmem(bytes, len, key, sizeof(key)));
        }
        if (round == 0)
            store_close(store);
    }
}

static void changed_rows_are_not_served(void **state)
{
    /* the row of key 1 expires earlier; the other row is not changed */
    static const struct {
        const char *why, *sql, *one, *two;
    } cases[] = {
        {"nothing", "SELECT 1", "pul-one@1000", "pul-two@2000"},
        {"a longer lifetime",
         "UPDATE token SET expires = expires + 1 WHERE created < expires - 1500", "pul-one@1000",
         ""},
        {"a much longer lifetime", "UPDATE token SET expires = 9000000000000", "", ""},
        {"a shorter lifetime",
         "UPDATE token SET expires = expires - 1 WHERE created > expires - 1500", "",
         "pul-two@2000"},
        {"another time of creation",
         "UPDATE token SET created = created - 1 WHERE created > expires - 1500", "",
         "pul-two@2000"},
        {"text as expiry", "UPDATE token SET expires = 'zzz' WHERE created > expires - 1500", "",
         "pul-two@2000"},
        {"a fraction, which is truncated", "UPDATE token SET expires = expires + 0.5",
         "pul-one@1000", "pul-two@2000"},
        {"bytes swapped",
         "CREATE TEMP TABLE t AS SELECT * FROM token;"
         "UPDATE token SET sealed = (SELECT sealed FROM t WHERE t.name <> token.name)",
         "", ""},
        {"names swapped",
         "CREATE TEMP TABLE t AS SELECT * FROM token; DELETE FROM token;"
         "INSERT INTO token SELECT (SELECT name FROM t AS u WHERE u.name <> t.name), created,"
         " expires, sealed, key_id, boot_id, expires_boot FROM t",
         "", ""},
        {"everything but the name of the other row",
         "CREATE TEMP TABLE t AS SELECT * FROM token ORDER BY expires;"
         "UPDATE token SET (created, expires, sealed, expires_boot) = (SELECT created, expires,"
         " sealed, expires_boot FROM t WHERE expires - created > 1500)",
         "", "pul-two@2000"},
        {"another name", "UPDATE token SET name = randomblob(32) WHERE created > expires - 1500",
         "", "pul-two@2000"},
        {"a copy under another name",
         "INSERT INTO token SELECT randomblob(32), created, expires, sealed, key_id, boot_id,"
         " expires_boot FROM token",
         "pul-one@1000", "pul-two@2000"},
        {"no bytes", "UPDATE token SET sealed = x'' WHERE created > expires - 1500", "",
         "pul-two@2000"},
        {"one byte", "UPDATE token SET sealed = x'00' WHERE created > expires - 1500", "",
         "pul-two@2000"},
        {"59 bytes", "UPDATE token SET sealed = zeroblob(59) WHERE created > expires - 1500", "",
         "pul-two@2000"},
        {"60 bytes", "UPDATE token SET sealed = zeroblob(60) WHERE created > expires - 1500", "",
         "pul-two@2000"},
        {"one byte less",
         "UPDATE token SET sealed = CAST(substr(sealed, 1, length(sealed) - 1) AS BLOB)"
         " WHERE created > expires - 1500",
         "", "pul-two@2000"},
        {"one byte more",
         "UPDATE token SET sealed = CAST(sealed || x'00' AS BLOB) WHERE created > expires - 1500",
         "", "pul-two@2000"},
        {"random bytes",
         "UPDATE token SET sealed = randomblob(length(sealed)) WHERE created > expires - 1500", "",
         "pul-two@2000"},
        {"a longer lifetime by the boot clock",
         "UPDATE token SET expires_boot = expires_boot + 1 WHERE created > expires - 1500", "",
         "pul-two@2000"},
        {"another boot", "UPDATE token SET boot_id = randomblob(16) WHERE created > expires - 1500",
         "", "pul-two@2000"},
        {"another key's id", "UPDATE token SET key_id = zeroblob(8) WHERE created > expires - 1500",
         "", "pul-two@2000"},
        {"made to look like a row of version 1",
         "UPDATE token SET key_id = NULL, boot_id = NULL, expires_boot = NULL"
         " WHERE created > expires - 1500",
         "", "pul-two@2000"},
        {"another database's id", "UPDATE meta SET database_id = randomblob(16)", "", ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct loaded loaded;
        struct store *store;

        clean(NULL);
        make(NULL);
        fill();
        sql(cases[i].sql);
        store = open_good(&loaded);
        if (strcmp(loaded.text[1], cases[i].one) != 0 || strcmp(loaded.text[2], cases[i].two) != 0)
            fail_msg("%s: \"%s\" and \"%s\"", cases[i].why, loaded.text[1], loaded.text[2]);
        /* the store still works */
        assert_int_equal(put(store, 3, "pul-three", 500), 0);
        store_close(store);
        store = open_good(&loaded);
        assert_string_equal(loaded.text[3], "pul-three@500");
        store_close(store);
    }
}

/* A row that is too large is treated as damaged. The other rows must not be lost with it. */
static void a_row_of_100_kib_is_a_miss(void **state)
{
    struct loaded loaded;
    struct store *store;

    (void)state;
    fill();
    sql("UPDATE token SET sealed = zeroblob(100000) WHERE created > expires - 1500");
    store = open_good(&loaded);
    assert_string_equal(loaded.text[1], "");
    assert_int_equal(put(store, 3, "pul-three", 500), 0);
    store_close(store);
    store = open_good(&loaded);
    assert_string_equal(loaded.text[2], "pul-two@2000");
    assert_string_equal(loaded.text[3], "pul-three@500");
    store_close(store);
}

static void rows_of_another_key_are_not_served(void **state)
{
    struct loaded loaded;
    struct store *store;

    (void)state;
    fill();
    key_write(2);
    store = open_good(&loaded);
    assert_string_equal(loaded.text[1], "");
    assert_string_equal(loaded.text[2], "");
    store_close(store);
}

static void rows_of_another_database_are_not_served(void **state)
{
    char other[SCRATCH_MAX + 16], statements[512];
    struct loaded loaded;
    struct store *store;

    (void)state;
    fill();
    snprintf(other, sizeof(other), "%s/other.db", directory);
    assert_int_equal(rename(path, other), 0);
    store_close(open_good(&loaded));
    snprintf(statements, sizeof(statements),
             "ATTACH '%s' AS other; INSERT INTO main.token SELECT * FROM other.token", other);
    sql(statements);
    store = open_good(&loaded);
    assert_string_equal(loaded.text[1], "");
    assert_string_equal(loaded.text[2], "");
    store_close(store);
}

static void expired_rows_are_not_loaded_and_are_purged(void **state)
{
    struct loaded loaded;
    struct store *store = open_good(&loaded);

    (void)state;
    assert_int_equal(put(store, 1, "pul-one", -1), 0);
    assert_int_equal(put(store, 2, "pul-two", 2000), 0);
    assert_int_equal(put(store, 4, "pul-four", 0), 0);
    store_tick(store);
    assert_int_equal(put(store, 3, "pul-three", 3000), 0);
    store_close(store);
    sql("CREATE TEMP TABLE t (n CHECK (n = 2)); INSERT INTO t SELECT count(*) FROM token");
    store = open_good(&loaded);
    assert_string_equal(loaded.text[1], "");
    assert_string_equal(loaded.text[2], "pul-two@2000");
    assert_string_equal(loaded.text[3], "pul-three@3000");
    assert_string_equal(loaded.text[4], "");
    store_close(store);
}

static bool is_there(const char *suffix)
{
    char name[SCRATCH_MAX + 48];

    snprintf(name, sizeof(name), "%s%s", path, suffix);
    return access(name, F_OK) == 0;
}

static void spoil_header(void)
{
    CLEANUP(fd_closep)
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    assert_int_equal(pwrite(fd, "garbage, garbage, garbage", 25, 0), 25);
}

static void a_damaged_database_is_renamed(void **state)
{
    static const struct {
        const char *why, *sql; /* NULL: the file's first bytes are overwritten */
    } cases[] = {
        {"a damaged header", NULL},
        {"no tables", "DROP TABLE token"},
        {"no id", "DELETE FROM meta"},
        {"a name of another length",
         "UPDATE token SET name = x'00' WHERE created > expires - 1500"},
        {"a boot id of another length", "UPDATE token SET boot_id = x'00'"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct loaded loaded;
        struct store *store;

        clean(NULL);
        make(NULL);
        fill();
        if (cases[i].sql)
            sql(cases[i].sql);
        else
            spoil_header();
        store = open_good(&loaded);
        if (!is_there(".corrupt") || !is_there(""))
            fail_msg("%s: not renamed", cases[i].why);
        if (i < 3) /* the others are detected after some rows are loaded */
            assert_string_equal(loaded.text[1], "");
        assert_int_equal(put(store, 3, "pul-three", 500), 0);
        store_close(store);
        store = open_good(&loaded);
        assert_string_equal(loaded.text[3], "pul-three@500");
        assert_string_equal(loaded.text[2], "");
        store_close(store);
    }
}

/* A row that was sealed for a database which has been replaced since must not count as stored. */
static void a_row_for_a_replaced_database_is_not_stored(void **state)
{
    struct loaded loaded = {0};
    const struct store_settings settings = settings_of(&loaded);
    struct record record = {.bytes = frame_of("pul-three", now_s + 100),
                            .created_s = now_s,
                            .expires_s = now_s + 100,
                            .expires_boot_usec = clock_boot_usec() + 100 * SECOND_USEC};
    struct store_write *write = calloc(1, sizeof(*write));
    const struct digest key = {{3}};
    char error[STORE_ERROR_MAX];
    struct store *store;

    (void)state;
    fill();
    sql("UPDATE token SET boot_id = x'00'"); /* detected when the rows are read */
    n_emptied = 0;
    assert_int_equal(store_open(&settings, &loop, &store, error), 0);
    write->on_done = on_done;
    assert_int_equal(store_put(store, write, &key, &record), 0);
    secret_free(record.bytes);
    assert_false(store_open_rows(store, 10));
    assert_int_equal(n_emptied, 1);
    loop.is_done = false;
    assert_int_equal(loop_run(&loop), 0);
    assert_int_equal(last_result, -ESTALE);
    store_close(store);
}

/* Deleted, replaced by another one, or on a file system that is no longer mounted. */
static void a_database_that_is_gone_is_begun_again(void **state)
{
    (void)state;
    for (int is_replaced = 0; is_replaced < 2; is_replaced++) {
        char moved[SCRATCH_MAX + 32], other[SCRATCH_MAX + 32];
        struct loaded loaded = {0};
        struct store *store;

        fill();
        snprintf(moved, sizeof(moved), "%s/moved", directory);
        snprintf(other, sizeof(other), "%s/other", directory);
        assert_int_equal(rename(path, other), 0);
        fill();
        store = open_good(&loaded);
        assert_int_equal(put(store, 3, "pul-three", 1000), 0);
        n_emptied = 0;
        assert_int_equal(rename(path, moved), 0);
        if (is_replaced)
            assert_int_equal(rename(other, path), 0);
        wait_until_it_works(store);
        assert_int_equal(n_emptied, 1); /* so the broker puts all records again */
        store_close(store);
        store = open_good(&loaded);
        assert_string_equal(loaded.text[4], "pul-four@1000");
        assert_string_equal(loaded.text[3], "");
        store_close(store);
        unlink(path);
        unlink(other);
        unlink(moved);
    }
}

static void two_damaged_databases_are_kept(void **state)
{
    struct loaded loaded;

    (void)state;
    for (int i = 0; i < 4; i++) {
        fill();
        spoil_header();
        store_close(open_good(&loaded));
        assert_true(is_there(".corrupt"));
        assert_int_equal(is_there(".corrupt.old"), i > 0);
    }
}

static void foreign_and_newer_databases_are_not_changed(void **state)
{
    static const char *const cases[] = {"PRAGMA application_id = 7", "PRAGMA user_version = 3"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct loaded loaded;
        struct store *store;

        clean(NULL);
        make(NULL);
        fill();
        sql(cases[i]);
        store = open_good(&loaded);
        assert_string_equal(loaded.text[1], "");
        assert_true(put(store, 3, "pul-three", 500) < 0);
        store_tick(store);
        store_close(store);
        assert_false(is_there(".corrupt"));
        /* the version that wrote it can still use it */
        sql(i ? "PRAGMA user_version = 2" : "PRAGMA application_id = 1886348396");
        store = open_good(&loaded);
        assert_string_equal(loaded.text[1], "pul-one@1000");
        assert_string_equal(loaded.text[2], "pul-two@2000");
        store_close(store);
    }
}

/* Whatever the damage to a page, the store loads what was stored or nothing, and still works. */
static void no_damage_to_a_page_loads_anything_else(void **state)
{
    CLEANUP(freep)
    char *bytes = NULL;
    size_t len;

    (void)state;
    fill();
    bytes = scratch_read(path, &len);
    for (size_t at = 0; at < len; at += 61) {
        struct loaded loaded;
        struct store *store;
        char before = bytes[at];

        bytes[at] ^= 0x41;
        remove(path);
        scratch_write(path, bytes, len, 0600);
        bytes[at] = before;
        store = open_good(&loaded);
        assert_true(!*loaded.text[1] || strcmp(loaded.text[1], "pul-one@1000") == 0);
        assert_true(!*loaded.text[2] || strcmp(loaded.text[2], "pul-two@2000") == 0);
        for (size_t i = 3; i < ARRAY_SIZE(loaded.text); i++)
            assert_string_equal(loaded.text[i], "");
        store_close(store);
    }
}

/* A truncated file can either still be written to, or is renamed. */
static void a_truncated_file_works_again(void **state)
{
    CLEANUP(freep)
    char *bytes = NULL;
    size_t len;

    (void)state;
    fill();
    bytes = scratch_read(path, &len);
    for (size_t cut = 0; cut < len; cut += 512) {
        struct loaded loaded;
        struct store *store;

        remove(path);
        scratch_write(path, bytes, cut, 0600);
        store = open_good(&loaded);
        if (put(store, 3, "pul-three", 500) != 0)
            fail_msg("cannot write to a file truncated to %zu of %zu bytes: %d", cut, len,
                     last_result);
        store_close(store);
        store = open_good(&loaded);
        assert_string_equal(loaded.text[3], "pul-three@500");
        store_close(store);
    }
}

static void a_locked_database_is_opened_once_it_is_unlocked(void **state)
{
    struct loaded loaded;
    struct store *store = open_good(&loaded), *second = open_good(&loaded);

    (void)state;
    assert_false(is_there(".corrupt"));
    assert_true(put(second, 2, "pul-two", 1000) < 0);
    assert_int_equal(put(store, 1, "pul-one", 1000), 0);
    store_close(store);
    assert_int_equal(n_emptied, 0);
    wait_until_it_works(second);
    assert_int_equal(n_emptied, 1); /* so the broker puts all records again */
    store_close(second);
    store = open_good(&loaded);
    assert_string_equal(loaded.text[1], "pul-one@1000");
    assert_string_equal(loaded.text[4], "pul-four@1000");
    store_close(store);
}

/* Writes a row as version 1 did. */
static void put_version_1(uint8_t n, const char *text, int64_t lifetime_s)
{
    struct associated_1 {
        char format[8];
        uint8_t database_id[16], name[32], key_id[8];
        int64_t created_s, expires_s;
    } associated = {.format = "podlog1", .created_s = now_s, .expires_s = now_s + lifetime_s};
    struct digest key = {{n, 0xaa}}, name;
    struct secret *frame = frame_of(text, now_s + lifetime_s);
    uint8_t key_bytes[32] = {1, 1, 2, 3}, plain[1024], sealed[1024 + SEAL_OVERHEAD];
    size_t len = 32 + frame->len;
    sqlite3_stmt *insert;
    struct seal seal;
    sqlite3 *db;

    assert_int_equal(seal_init(&seal, key_bytes), 0);
    assert_int_equal(seal_name(&seal, &key, &name), 0);
    memcpy(associated.name, name.bytes, 32);
    memcpy(associated.key_id, seal.id, 8);
    memset(associated.database_id, 7, 16);
    memcpy(plain, key.bytes, 32);
    memcpy(plain + 32, frame->bytes, frame->len);
    assert_int_equal(seal_close(&seal, plain, len, &associated, sizeof(associated), sealed), 0);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(db, "INSERT INTO token VALUES (?, ?, ?, ?)", -1, &insert, NULL),
        SQLITE_OK);
    sqlite3_bind_blob(insert, 1, name.bytes, 32, SQLITE_STATIC);
    sqlite3_bind_int64(insert, 2, associated.created_s);
    sqlite3_bind_int64(insert, 3, associated.expires_s);
    sqlite3_bind_blob(insert, 4, sealed, (int)(len + SEAL_OVERHEAD), SQLITE_STATIC);
    assert_int_equal(sqlite3_step(insert), SQLITE_DONE);
    sqlite3_finalize(insert);
    sqlite3_close(db);
    secret_free(frame);
    seal_done(&seal);
}

static void tokens_of_version_1_are_loaded(void **state)
{
    struct loaded loaded;
    struct store *store;

    (void)state;
    sql("PRAGMA application_id = 1886348396; PRAGMA user_version = 1;"
        "CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 1), database_id BLOB NOT NULL);"
        "CREATE TABLE token (name BLOB NOT NULL UNIQUE, created INTEGER NOT NULL,"
        "                    expires INTEGER NOT NULL, sealed BLOB NOT NULL);"
        "INSERT INTO meta VALUES (1, x'07070707070707070707070707070707');");
    put_version_1(1, "pul-one", 1000);
    put_version_1(2, "pul-two", 2000);
    store = open_good(&loaded);
    assert_string_equal(loaded.text[1], "pul-one@1000");
    assert_string_equal(loaded.text[2], "pul-two@2000");
    assert_int_equal(n_outdated, 2);
    assert_int_equal(put(store, 1, "pul-one", 1000), 0); /* as the broker does */
    store_close(store);
    store = open_good(&loaded);
    assert_string_equal(loaded.text[1], "pul-one@1000");
    assert_string_equal(loaded.text[2], "pul-two@2000");
    assert_int_equal(n_outdated, 1);
    store_close(store);
}

/* With a new and the previous key, rows of both open; rows of the previous key are put again. */
static void a_change_of_the_key_loses_nothing(void **state)
{
    uint8_t keys[64] = {2, 1, 2, 3, [32] = 1, 1, 2, 3};
    struct loaded loaded;
    struct store *store;

    (void)state;
    fill();
    scratch_write(key_path, keys, sizeof(keys), 0600);
    for (int kills = 0; kills < 3; kills++) { /* it may be killed at any point */
        store = open_good(&loaded);
        assert_string_equal(loaded.text[1], "pul-one@1000");
        assert_string_equal(loaded.text[2], "pul-two@2000");
        assert_int_equal(n_outdated, 2);
        store_close(store);
    }
    store = open_good(&loaded);
    assert_int_equal(put(store, 1, "pul-one", 1000), 0);
    store_close(store);
    scratch_write(key_path, keys, 32, 0600); /* without the previous key, its rows are lost */
    store = open_good(&loaded);
    assert_string_equal(loaded.text[1], "pul-one@1000");
    assert_string_equal(loaded.text[2], "");
    store_close(store);
}

static void a_directory_that_others_can_use_is_refused(void **state)
{
    static const mode_t modes[] = {0755, 0750, 0701, 0770, 0777, 01777};
    struct loaded loaded;
    struct store *store;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
        assert_int_equal(chmod(directory, modes[i]), 0);
        assert_int_equal(open_store(&loaded, &store), -EPERM);
        assert_false(is_there(""));
    }
    assert_int_equal(chmod(directory, 0700), 0);
    store_close(open_good(&loaded));
}

static void a_directory_of_another_user_is_refused(void **state)
{
    struct loaded loaded;
    struct store *store;

    (void)state;
    if (geteuid() != 0)
        skip_because("needs root, to change the owner of a directory");
    assert_int_equal(chown(directory, 12345, 12345), 0);
    assert_int_equal(open_store(&loaded, &store), -EPERM);
    assert_int_equal(chown(directory, 0, 0), 0);
    store_close(open_good(&loaded));
}

static void an_invalid_key_is_an_error(void **state)
{
    struct loaded loaded;
    struct store *store;

    (void)state;
    assert_int_equal(chmod(key_path, 0644), 0);
    assert_int_equal(open_store(&loaded, &store), -EPERM);
    assert_int_equal(remove(key_path), 0);
    assert_int_equal(open_store(&loaded, &store), -ENOENT);
    snprintf(key_setting, sizeof(key_setting), "file:%s/key", directory);
    assert_int_equal(open_store(&loaded, &store), -EPERM); /* key beside the data */
}

static void a_missing_directory_is_created(void **state)
{
    struct loaded loaded;
    struct stat st;

    (void)state;
    snprintf(path, sizeof(path), "%s/d/c.db", directory);
    store_close(open_good(&loaded));
    snprintf(path, sizeof(path), "%s/d", directory);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

static void without_a_usable_disk_nothing_is_stored(void **state)
{
    struct loaded loaded;
    struct store *store;

    (void)state;
    snprintf(path, sizeof(path), "%s/no/dir/c.db", directory);
    store = open_good(&loaded);
    assert_true(put(store, 1, "pul-one", 1000) < 0);
    store_tick(store);
    assert_true(put(store, 2, "pul-two", 1000) < 0);
    store_close(store);
}

/* A row can be requested before the background reading has reached it. */
static void a_row_is_opened_on_request(void **state)
{
    const struct digest one = {{1, 0xaa}}, none = {{3, 0xaa}};
    struct loaded loaded = {0};
    const struct store_settings settings = settings_of(&loaded);
    char error[STORE_ERROR_MAX];
    struct store *store;

    (void)state;
    fill();
    assert_int_equal(store_open(&settings, &loop, &store, error), 0);
    assert_string_equal(loaded.text[1], "");
    store_open_row(store, &none);
    store_open_row(store, &one);
    assert_string_equal(loaded.text[1], "pul-one@1000");
    assert_string_equal(loaded.text[2], "");
    assert_true(store_open_rows(store, 1));
    assert_false(store_open_rows(store, 10));
    assert_string_equal(loaded.text[2], "pul-two@2000");
    loaded.text[1][0] = '\0';
    store_open_row(store, &one); /* no effect: all rows are open */
    assert_string_equal(loaded.text[1], "");
    assert_false(store_open_rows(store, 10));
    store_close(store);
}

/*
 * Records that are put while rows are read are written, even if the store is closed before all rows
 * are open.
 */
static void the_store_can_be_closed_before_all_rows_are_open(void **state)
{
    struct loaded loaded = {0};
    const struct store_settings settings = settings_of(&loaded);
    struct record record = {.bytes = frame_of("pul-three", now_s + 100),
                            .created_s = now_s,
                            .expires_s = now_s + 100,
                            .expires_boot_usec = clock_boot_usec() + 100 * SECOND_USEC};
    struct store_write write = {.on_done = on_done};
    const struct digest key = {{3}};
    char error[STORE_ERROR_MAX];
    struct store *store;

    (void)state;
    fill();
    assert_int_equal(store_open(&settings, &loop, &store, error), 0);
    assert_true(store_open_rows(store, 1));
    assert_int_equal(store_put(store, &write, &key, &record), 0);
    secret_free(record.bytes);
    store_close(store);
    store = open_good(&loaded);
    assert_string_equal(loaded.text[1], "pul-one@1000");
    assert_string_equal(loaded.text[2], "pul-two@2000");
    assert_string_equal(loaded.text[3], "pul-three@100");
    store_close(store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_token_survives_a_restart),
        TEST(closing_completes_writes_without_callbacks),
        TEST(files_are_private_and_have_no_plaintext),
        TEST(changed_rows_are_not_served),
        TEST(a_row_of_100_kib_is_a_miss),
        TEST(rows_of_another_key_are_not_served),
        TEST(rows_of_another_database_are_not_served),
        TEST(expired_rows_are_not_loaded_and_are_purged),
        TEST(a_damaged_database_is_renamed),
        TEST(a_row_for_a_replaced_database_is_not_stored),
        TEST(a_database_that_is_gone_is_begun_again),
        TEST(two_damaged_databases_are_kept),
        TEST(foreign_and_newer_databases_are_not_changed),
        TEST(no_damage_to_a_page_loads_anything_else),
        TEST(a_truncated_file_works_again),
        TEST(a_locked_database_is_opened_once_it_is_unlocked),
        TEST(tokens_of_version_1_are_loaded),
        TEST(a_change_of_the_key_loses_nothing),
        TEST(a_directory_that_others_can_use_is_refused),
        TEST(a_directory_of_another_user_is_refused),
        TEST(an_invalid_key_is_an_error),
        TEST(a_missing_directory_is_created),
        TEST(without_a_usable_disk_nothing_is_stored),
        TEST(a_row_is_opened_on_request),
        TEST(the_store_can_be_closed_before_all_rows_are_open),
    };

    umask(077); /* as the daemon does */
    log_init("test_store", -1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
