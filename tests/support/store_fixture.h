/* A store in its own temporary directory, and the records that it loaded. */
#ifndef STORE_FIXTURE_H
#define STORE_FIXTURE_H

#include <sqlite3.h>
#include <time.h>

#include "base/log.h"
#include "protocol/messages.h"
#include "store/seal.h"
#include "store/store.h"
#include "support/scratch.h"

static char directory[SCRATCH_MAX], key_directory[SCRATCH_MAX];
static char path[SCRATCH_MAX + 16], key_path[SCRATCH_MAX + 16], key_setting[SCRATCH_MAX + 32];
static struct loop loop;
static int64_t now_s;

static inline void key_write(uint8_t first)
{
    uint8_t key[32] = {first, 1, 2, 3};

    scratch_write(key_path, key, sizeof(key), 0600);
}

static inline int make(void **state)
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

static inline int clean(void **state)
{
    (void)state;
    loop_done(&loop);
    scratch_remove(directory);
    scratch_remove(key_directory);
    return 0;
}

static size_t n_outdated, n_emptied;

static inline void on_empty(void *data)
{
    (void)data;
    n_emptied++;
}

/* each is "n:token@lifetime", in the order of the keys */
struct loaded {
    char text[16][64];
};

static inline void on_row(void *data, const struct digest *key, struct record *record,
                          bool is_outdated)
{
    struct loaded *loaded = data;
    struct message_token message;
    struct wire_header header;

    n_outdated += is_outdated;
    assert_in_range(key->bytes[0], 0, 15);
    wire_header_read(record->bytes->bytes, &header);
    assert_int_equal(wire_decode(&message_token, record->bytes->bytes + WIRE_HEADER_SIZE,
                                 header.payload_len, &message),
                     0);
    assert_int_equal(record->created_s, now_s);
    snprintf(loaded->text[key->bytes[0]], sizeof(loaded->text[0]), "%.*s@%d",
             (int)message.token.len, (const char *)message.token.at,
             (int)(record->expires_s - now_s));
    secret_free(record->bytes);
}

static inline struct store_settings settings_of(struct loaded *loaded)
{
    return (struct store_settings){
        .path = path,
        .key = key_setting,
        .rows_max = 100,
        .events = {.data = loaded, .on_row = on_row, .on_empty = on_empty},
    };
}

static inline int open_store(struct loaded *loaded, struct store **ret_store)
{
    const struct store_settings settings = settings_of(loaded);
    char error[STORE_ERROR_MAX] = "";
    int r;

    *loaded = (struct loaded){0};
    *ret_store = NULL;
    n_outdated = n_emptied = 0;
    r = store_open(&settings, &loop, ret_store, error);
    if (r < 0) {
        assert_null(*ret_store);
        assert_true(strlen(error) > 10);
        return r;
    }
    while (store_open_rows(*ret_store, 3))
        ;
    return 0;
}

static inline struct store *open_good(struct loaded *loaded)
{
    struct store *store;

    assert_int_equal(open_store(loaded, &store), 0);
    return store;
}

static inline struct secret *frame_of(const char *text, int64_t expires_s)
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
static struct timer nap;

static inline void on_nap(struct timer *timer)
{
    (void)timer;
    loop_stop(&loop);
}

static inline void on_done(struct store_write *write, int result)
{
    last_result = result;
    free(write);
    loop_stop(&loop);
}

static inline int put_frame(struct store *store, uint8_t n, struct secret *frame,
                            int64_t lifetime_s)
{
    struct record record = {.bytes = frame,
                            .created_s = now_s,
                            .expires_s = now_s + lifetime_s,
                            .expires_boot_usec =
                                (uint64_t)((int64_t)clock_boot_usec() + lifetime_s * 1000000)};
    struct store_write *write = calloc(1, sizeof(*write));
    struct digest key = {{n, 0xaa}};

    write->on_done = on_done;
    last_result = store_put(store, write, &key, &record);
    secret_free(record.bytes);
    if (last_result < 0) {
        free(write);
        return last_result;
    }
    loop.is_done = false;
    last_result = 1;
    assert_true(loop_run(&loop) >= 0);
    return last_result;
}

static inline int put(struct store *store, uint8_t n, const char *text, int64_t lifetime_s)
{
    return put_frame(store, n, frame_of(text, now_s + lifetime_s), lifetime_s);
}

/* Ticks until a token can be stored. */
static inline void wait_until_it_works(struct store *store)
{
    for (int i = 0; i < 100; i++) {
        store_tick(store);
        usleep(1000);
        if (put(store, 4, "pul-four", 1000) == 0)
            return;
        /* so that the loop receives the thread's message */
        loop_timer(&loop, &nap, 2000, on_nap);
        loop.is_done = false;
        assert_int_equal(loop_run(&loop), 0);
    }
    fail_msg("the store does not work again");
}

#endif
