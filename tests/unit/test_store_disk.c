/*
 * The store on a disk that loses power, is full, breaks or is read-only: acknowledged writes are
 * there afterwards, and the store keeps working.
 */
#include "support/disk.h"
#include "support/store_fixture.h"

#define N_KEYS 16

static int install(void **state)
{
    disk_install();
    return make(state);
}

static int uninstall(void **state)
{
    int r = clean(state);

    disk_remove();
    return r;
}

/* The latest write of each key that was acknowledged, and the latest of all. */
struct history {
    unsigned acknowledged[N_KEYS];
    unsigned latest[N_KEYS];
    unsigned n;
};

static void put_next(struct store *store, struct history *history, bool counts)
{
    uint8_t key = (uint8_t)(history->n % N_KEYS);
    char text[32];

    history->n++;
    history->latest[key] = history->n;
    snprintf(text, sizeof(text), "pul-%u", history->n);
    if (put(store, key, text, 1000) == 0 && counts)
        history->acknowledged[key] = history->n;
}

static void assert_nothing_lost(const struct loaded *loaded, const struct history *history)
{
    for (size_t i = 0; i < N_KEYS; i++) {
        unsigned n = 0;

        if (*loaded->text[i])
            assert_int_equal(sscanf(loaded->text[i], "pul-%u@1000", &n), 1);
        assert_in_range(n, history->acknowledged[i], history->latest[i]);
        assert_true(n == 0 || (n - 1) % N_KEYS == i);
    }
}

static void a_power_cut_at_a_thousand_points_loses_no_acknowledged_write(void **state)
{
    struct history history;
    size_t n_cuts = 0, n_acknowledged = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 1000; seed++) {
        struct loaded loaded;
        struct store *store;

        if (seed % 50 == 1) { /* each disk suffers 50 cuts in a row */
            disk_wipe();
            history = (struct history){0};
        }
        disk_cut_at(1 + seed * 7919 % 60, seed);
        store = open_good(&loaded);
        if (!disk_has_been_cut())
            assert_nothing_lost(&loaded, &history);
        for (int i = 0; i < 40 && !disk_has_been_cut(); i++) {
            if (i % 8 == 7)
                store_tick(store);
            put_next(store, &history, true);
        }
        n_cuts += disk_has_been_cut();
        disk_cut_at(0, 0);
        store_close(store);
        store = open_good(&loaded);
        assert_nothing_lost(&loaded, &history);
        put_next(store, &history, true); /* the store works after the cut */
        assert_int_equal(last_result, 0);
        store_close(store);
        n_acknowledged += history.n;
    }
    print_message("%zu cuts\n", n_cuts);
    assert_in_range(n_cuts, 900, 1000);
}

static const struct {
    const char *name;
    int code;
} faults[] = {
    {"ENOSPC", SQLITE_FULL},
    {"EIO", SQLITE_IOERR},
    {"EROFS", SQLITE_READONLY},
};

/*
 * Opens a store, writes, purges and closes it on a disk whose @n-th operation fails. Returns false
 * if there are fewer operations.
 */
static bool fails_at(uint64_t n, int code, bool for_ever)
{
    struct history history = {0};
    struct loaded loaded;
    struct store *store;
    bool has_failed;

    disk_wipe();
    if (n % 2) { /* an existing database, or a new one */
        store = open_good(&loaded);
        put_next(store, &history, true);
        store_close(store);
    }
    disk_fail_at(n, code, for_ever);
    store = open_good(&loaded);
    for (int i = 0; i < 10; i++) {
        put_next(store, &history, true); /* hangs if it is not answered */
        if (i % 5 == 4)
            store_tick(store);
    }
    has_failed = disk_has_failed();
    disk_heal();
    wait_until_it_works(store);
    for (size_t i = 0; i < N_KEYS; i++)
        put_next(store, &history, true); /* as the broker does with dirty records */
    assert_int_equal(last_result, 0);
    disk_fail_at(1 + n % 7, code, for_ever); /* closing can fail, too */
    store_close(store);
    disk_heal();
    history.latest[4] = history.acknowledged[4] = 0;
    store = open_good(&loaded);
    loaded.text[4][0] = '\0'; /* put by wait_until_it_works() */
    assert_nothing_lost(&loaded, &history);
    store_close(store);
    return has_failed;
}

static void the_store_keeps_working_whichever_operation_fails(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
        for (int for_ever = 0; for_ever < 2; for_ever++) {
            uint64_t n = 1, in_vain = 0;

            /* a full disk does not fail reads, so a run without a failure is not the last one */
            for (; in_vain < 20; n++)
                in_vain = fails_at(n, faults[i].code, for_ever) ? 0 : in_vain + 1;
            print_message("%s%s: %d operations\n", faults[i].name, for_ever ? " permanently" : "",
                          (int)(n - in_vain));
            assert_true(n - in_vain > 50);
        }
    }
}

/* The upgrade from version 1 to 2 is complete or has not happened. */
static void a_power_cut_during_an_upgrade_leaves_the_old_or_the_new_schema(void **state)
{
    static const char version_1[] =
        "PRAGMA application_id = 1886348396; PRAGMA user_version = 1;"
        "CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 1), database_id BLOB NOT NULL);"
        "CREATE TABLE token (name BLOB NOT NULL UNIQUE, created INTEGER NOT NULL,"
        "                    expires INTEGER NOT NULL, sealed BLOB NOT NULL);"
        "INSERT INTO meta VALUES (1, x'07070707070707070707070707070707');";
    uint64_t n = 1;
    bool was_cut = true;

    (void)state;
    for (; was_cut; n++) {
        struct loaded loaded;
        struct store *store;
        sqlite3 *db;

        disk_wipe();
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, "PRAGMA locking_mode = EXCLUSIVE", NULL, NULL, NULL), 0);
        assert_int_equal(sqlite3_exec(db, version_1, NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
        disk_cut_at(n, n);
        store_close(open_good(&loaded));
        was_cut = disk_has_been_cut();
        disk_cut_at(0, 0);
        store = open_good(&loaded);
        assert_int_equal(put(store, 1, "pul-one", 1000), 0);
        store_close(store);
        store = open_good(&loaded);
        assert_string_equal(loaded.text[1], "pul-one@1000");
        store_close(store);
    }
    print_message("%d points\n", (int)n);
    assert_true(n > 5);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, install, uninstall)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_power_cut_at_a_thousand_points_loses_no_acknowledged_write),
        TEST(the_store_keeps_working_whichever_operation_fails),
        TEST(a_power_cut_during_an_upgrade_leaves_the_old_or_the_new_schema),
    };

    log_init("test_store_disk", -1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
