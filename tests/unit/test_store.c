/*
 * What survives a restart, and what must not: rows that somebody changed, swapped, prolonged or
 * carried over from elsewhere are misses, and never served.
 */
#include <sqlite3.h>
#include <time.h>

#include "log.h"
#include "messages.h"
#include "scratch.h"
#include "store.h"

static char directory[SCRATCH_MAX], key_directory[SCRATCH_MAX];
static char path[SCRATCH_MAX + 16], key_path[SCRATCH_MAX + 16], key_setting[SCRATCH_MAX + 32];
static struct loop loop;
static int64_t now_s;

static void key_write(uint8_t first)
{
    uint8_t key[32] = {first, 1, 2, 3};

    scratch_write(key_path, key, sizeof(key), 0600);
}

static int make(void **state)
{
    (void)state;
    scratch_make(directory, "/tmp");
    scratch_make(key_directory, "/tmp");
    snprintf(path, sizeof(path), "%s/cache.db", directory);
    snprintf(key_path, sizeof(key_path), "%s/key", key_directory);
    snprintf(key_setting, sizeof(key_setting), "file:%s", key_path);
    key_write(1);
    now_s = time(NULL);
    return loop_init(&loop);
}

static int clean(void **state)
{
    (void)state;
    loop_done(&loop);
    scratch_remove(directory);
    scratch_remove(key_directory);
    return 0;
}

/* "n:token@lifetime" each, in the order of their keys */
struct loaded {
    char text[16][64];
    int result;
};

static int on_row(void *data, const struct digest *key, struct token *token, bool is_to_be_kept)
{
    struct loaded *loaded = data;
    struct message_token message;
    struct wire_header header;

    assert_false(is_to_be_kept);
    assert_in_range(key->bytes[0], 0, 15);
    wire_header_read(token->frame->bytes, &header);
    assert_int_equal(wire_decode(&message_token, token->frame->bytes + WIRE_HEADER_SIZE,
                                 header.payload_len, &message),
                     0);
    assert_int_equal(token->created_s, now_s);
    snprintf(loaded->text[key->bytes[0]], sizeof(loaded->text[0]), "%.*s@%d",
             (int)message.token.len, (const char *)message.token.at,
             (int)(token->expires_s - now_s));
    secret_free(token->frame);
    return loaded->result;
}

static int open_store(struct loaded *loaded, struct store **ret_store)
{
    const struct store_settings settings = {.path = path, .key = key_setting};
    char error[STORE_ERROR_MAX] = "";
    int r;

    *loaded = (struct loaded){0};
    *ret_store = NULL;
    r = store_open(&settings, &loop, on_row, loaded, ret_store, error);
    if (r < 0) {
        assert_null(*ret_store);
        assert_true(strlen(error) > 10);
    }
    return r;
}

static struct store *open_good(struct loaded *loaded)
{
    struct store *store;

    assert_int_equal(open_store(loaded, &store), 0);
    return store;
}

static struct secret *frame_of(const char *text, int64_t expires_s)
{
    struct message_token message = {.token = wire_string(text),
                                    .token_type = wire_string("token"),
                                    .expires_at_s = (uint64_t)expires_s,
                                    .source = TOKEN_SOURCE_CACHE};
    uint8_t frame[512];
    size_t len;

    assert_int_equal(wire_encode(&message_token, 0, &message, frame, sizeof(frame), &len), 0);
    return secret_new(frame, len);
}

static int last_result;

static void on_done(struct store_write *write, int result)
{
    last_result = result;
    free(write);
    loop_stop(&loop);
}

static int put_frame(struct store *store, uint8_t n, struct secret *frame, int64_t lifetime_s)
{
    struct token token = {.frame = frame, .created_s = now_s, .expires_s = now_s + lifetime_s};
    struct store_write *write = calloc(1, sizeof(*write));
    struct digest key = {{n, 0xaa}};

    write->on_done = on_done;
    assert_int_equal(store_put(store, write, &key, &token), 0);
    loop.is_done = false;
    last_result = 1;
    assert_true(loop_run(&loop) >= 0);
    secret_free(token.frame);
    return last_result;
}

static int put(struct store *store, uint8_t n, const char *text, int64_t lifetime_s)
{
    return put_frame(store, n, frame_of(text, now_s + lifetime_s), lifetime_s);
}

/* A closed store with two tokens in it. */
static void fill(void)
{
    struct loaded loaded;
    struct store *store = open_good(&loaded);

    assert_int_equal(put(store, 1, "pul-one", 1000), 0);
    assert_int_equal(put(store, 2, "pul-two", 2000), 0);
    store_close(store);
}

/* Statements behind the daemon's back. */
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

static void closing_writes_what_is_under_way_without_calling_back(void **state)
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
        struct token token = {
            .frame = frame_of("pul-x", now_s + 100), .created_s = now_s, .expires_s = now_s + 100};
        struct digest key = {{i}};

        writes[i] = calloc(1, sizeof(*writes[i]));
        writes[i]->on_done = on_done;
        assert_int_equal(store_put(store, writes[i], &key, &token), 0);
        secret_free(token.frame);
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

static void files_are_private_and_hold_nothing_in_clear(void **state)
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

static void rows_that_somebody_changed_are_not_served(void **state)
{
    /* 1 is the row with the earlier end; the other one is as it was */
    static const struct {
        const char *why, *sql, *one, *two;
    } cases[] = {
        {"nothing", "SELECT 1", "pul-one@1000", "pul-two@2000"},
        {"a longer life", "UPDATE token SET expires = expires + 1 WHERE created < expires - 1500",
         "pul-one@1000", ""},
        {"a much longer life", "UPDATE token SET expires = 9000000000000", "", ""},
        {"a shorter life", "UPDATE token SET expires = expires - 1 WHERE created > expires - 1500",
         "", "pul-two@2000"},
        {"another beginning",
         "UPDATE token SET created = created - 1 WHERE created > expires - 1500", "",
         "pul-two@2000"},
        {"a text as end", "UPDATE token SET expires = 'zzz' WHERE created > expires - 1500", "",
         "pul-two@2000"},
        {"a fraction that is cut off", "UPDATE token SET expires = expires + 0.5", "pul-one@1000",
         "pul-two@2000"},
        {"bytes swapped",
         "CREATE TEMP TABLE t AS SELECT * FROM token;"
         "UPDATE token SET sealed = (SELECT sealed FROM t WHERE t.name <> token.name)",
         "", ""},
        {"names swapped",
         "CREATE TEMP TABLE t AS SELECT * FROM token; DELETE FROM token;"
         "INSERT INTO token SELECT (SELECT name FROM t AS u WHERE u.name <> t.name), created,"
         " expires, sealed FROM t",
         "", ""},
        {"all but the name of the other",
         "CREATE TEMP TABLE t AS SELECT * FROM token ORDER BY expires;"
         "UPDATE token SET (created, expires, sealed) = (SELECT created, expires, sealed FROM t"
         " WHERE expires - created > 1500)",
         "", "pul-two@2000"},
        {"another name", "UPDATE token SET name = randomblob(32) WHERE created > expires - 1500",
         "", "pul-two@2000"},
        {"a copy under another name",
         "INSERT INTO token SELECT randomblob(32), created, expires, sealed FROM token",
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
        /* and the store is of use as before */
        assert_int_equal(put(store, 3, "pul-three", 500), 0);
        store_close(store);
        store = open_good(&loaded);
        assert_string_equal(loaded.text[3], "pul-three@500");
        store_close(store);
    }
}

/* A row that is too large to be one of ours is as good as damaged: it must not cost the others. */
static void a_row_of_100_kib_is_a_miss_and_no_more(void **state)
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

static void what_has_expired_is_not_loaded_and_goes_with_the_purge(void **state)
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

/* Sealed by ourselves, yet nothing that could be sent or that says the same as its row. */
static void frames_that_are_not_sound_are_not_served(void **state)
{
    struct loaded loaded;
    struct store *store = open_good(&loaded);
    struct secret *frame;

    (void)state;
    assert_int_equal(put_frame(store, 1, frame_of("pul-other-end", now_s + 999), 1000), 0);
    frame = frame_of("pul-cut", now_s + 1000);
    frame->len -= 1;
    assert_int_equal(put_frame(store, 2, frame, 1000), 0);
    frame = frame_of("pul-type", now_s + 1000);
    frame->bytes[5] = MESSAGE_ERROR;
    assert_int_equal(put_frame(store, 3, frame, 1000), 0);
    frame = frame_of("pul-length", now_s + 1000);
    frame->bytes[3] += 1;
    assert_int_equal(put_frame(store, 4, frame, 1000), 0);
    assert_int_equal(put_frame(store, 5, secret_new("x", 1), 1000), 0);
    assert_int_equal(put_frame(store, 6, secret_new("", 0), 1000), 0);
    assert_int_equal(put(store, 7, "pul-sound", 1000), 0);
    store_close(store);
    store = open_good(&loaded);
    for (int i = 1; i <= 6; i++)
        assert_string_equal(loaded.text[i], "");
    assert_string_equal(loaded.text[7], "pul-sound@1000");
    store_close(store);
}

static bool is_there(const char *suffix)
{
    char name[SCRATCH_MAX + 48];

    snprintf(name, sizeof(name), "%s%s", path, suffix);
    return access(name, F_OK) == 0;
}

static void what_is_damaged_or_not_ours_is_set_aside(void **state)
{
    static const struct {
        const char *why, *sql; /* NULL: the file's first bytes are overwritten */
    } cases[] = {
        {"a damaged header", NULL},
        {"a foreign id", "PRAGMA application_id = 7"},
        {"a newer version", "PRAGMA user_version = 2"},
        {"no tables", "DROP TABLE token"},
        {"no id", "DELETE FROM meta"},
        {"a name of another length",
         "UPDATE token SET name = x'00' WHERE created > expires - 1500"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct loaded loaded;
        struct store *store;

        clean(NULL);
        make(NULL);
        fill();
        if (cases[i].sql) {
            sql(cases[i].sql);
        } else {
            CLEANUP(fd_closep)
            int fd = open(path, O_WRONLY | O_CLOEXEC);

            assert_int_equal(pwrite(fd, "garbage, garbage, garbage", 25, 0), 25);
        }
        store = open_good(&loaded);
        if (!is_there(".corrupt") || !is_there(""))
            fail_msg("%s: not set aside", cases[i].why);
        assert_string_equal(loaded.text[1], "");
        assert_int_equal(put(store, 3, "pul-three", 500), 0);
        store_close(store);
        store = open_good(&loaded);
        assert_string_equal(loaded.text[3], "pul-three@500");
        assert_string_equal(loaded.text[2], "");
        store_close(store);
    }
}

/* However a page is spoiled: what is loaded is what was kept, or nothing, and the store goes on. */
static void no_damage_to_a_page_brings_anything_else_up(void **state)
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

/* A file that lost its end is either whole enough to be written to, or set aside. */
static void a_file_that_was_cut_is_of_use_again(void **state)
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
            fail_msg("nothing can be kept in a file cut to %zu of %zu bytes: %d", cut, len,
                     last_result);
        store_close(store);
        store = open_good(&loaded);
        assert_string_equal(loaded.text[3], "pul-three@500");
        store_close(store);
    }
}

static void a_second_daemon_is_told_so(void **state)
{
    struct loaded loaded;
    struct store *store = open_good(&loaded), *second;

    (void)state;
    assert_int_equal(open_store(&loaded, &second), -EBUSY);
    assert_false(is_there(".corrupt"));
    assert_int_equal(put(store, 1, "pul-one", 1000), 0);
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
    if (geteuid() == 0) {
        assert_int_equal(chown(directory, 12345, 12345), 0);
        assert_int_equal(open_store(&loaded, &store), -EPERM);
        assert_int_equal(chown(directory, 0, 0), 0);
    }
    store_close(open_good(&loaded));
}

static void a_key_that_is_no_good_is_an_error(void **state)
{
    struct loaded loaded;
    struct store *store;

    (void)state;
    assert_int_equal(chmod(key_path, 0644), 0);
    assert_int_equal(open_store(&loaded, &store), -EPERM);
    assert_int_equal(remove(key_path), 0);
    assert_int_equal(open_store(&loaded, &store), -ENOENT);
    snprintf(key_setting, sizeof(key_setting), "file:%s/key", directory);
    assert_int_equal(open_store(&loaded, &store), -EPERM); /* beside the data */
}

static void the_directory_is_made_where_only_its_parent_is_there(void **state)
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

static void without_a_usable_disk_nothing_is_kept_and_that_is_said(void **state)
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

static void a_callback_that_fails_does_not_stop_the_daemon(void **state)
{
    const struct store_settings settings = {.path = path, .key = key_setting};
    char error[STORE_ERROR_MAX];
    struct loaded loaded = {.result = -ENOMEM};
    struct store *store = NULL;

    (void)state;
    fill();
    assert_int_equal(store_open(&settings, &loop, on_row, &loaded, &store, error), 0);
    assert_non_null(store);
    store_close(store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_token_survives_a_restart),
        TEST(closing_writes_what_is_under_way_without_calling_back),
        TEST(files_are_private_and_hold_nothing_in_clear),
        TEST(rows_that_somebody_changed_are_not_served),
        TEST(a_row_of_100_kib_is_a_miss_and_no_more),
        TEST(rows_of_another_key_are_not_served),
        TEST(rows_of_another_database_are_not_served),
        TEST(what_has_expired_is_not_loaded_and_goes_with_the_purge),
        TEST(frames_that_are_not_sound_are_not_served),
        TEST(what_is_damaged_or_not_ours_is_set_aside),
        TEST(no_damage_to_a_page_brings_anything_else_up),
        TEST(a_file_that_was_cut_is_of_use_again),
        TEST(a_second_daemon_is_told_so),
        TEST(a_directory_that_others_can_use_is_refused),
        TEST(a_key_that_is_no_good_is_an_error),
        TEST(the_directory_is_made_where_only_its_parent_is_there),
        TEST(without_a_usable_disk_nothing_is_kept_and_that_is_said),
        TEST(a_callback_that_fails_does_not_stop_the_daemon),
    };

    umask(077); /* as the daemon does */
    log_init("test_store", -1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
