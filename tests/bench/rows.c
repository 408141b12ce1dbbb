/*
 * A cache of many rows, and the time to read as many bytes from a plain file.
 *
 *   bench-rows fill DATABASE KEY-FILE ROWS TOKEN-BYTES   writes rows with random keys
 *   bench-rows read FILE                                 prints {"us": ..., "bytes": ...}
 */
#include <fcntl.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "protocol/messages.h"
#include "store/store.h"

#define BATCH 1000

static struct loop loop;
static size_t n_under_way;

static int fail(const char *what)
{
    fprintf(stderr, "bench-rows: %s\n", what);
    return EXIT_FAILURE;
}

static void on_row(void *data, const struct digest *key, struct record *record, bool is_outdated)
{
    (void)data;
    (void)key;
    (void)is_outdated;
    secret_free(record->bytes);
}

static void on_empty(void *data)
{
    (void)data;
}

static void on_done(struct store_write *write, int result)
{
    if (result < 0)
        exit(fail("cannot write a row"));
    free(write);
    if (--n_under_way == 0)
        loop_stop(&loop);
}

static struct record make_record(size_t token_bytes)
{
    static uint8_t text[PODLOGIN_TOKEN_MAX], frame[WIRE_HEADER_SIZE + PODLOGIN_ANSWER_MAX];
    struct now now = clock_now();
    const struct message_token message = {
        .token = wire_bytes(memset(text, 'x', token_bytes), token_bytes),
        .token_type = wire_string("token"),
        .expires_at_s = (uint64_t)now.wall_s + 7200,
        .source = TOKEN_SOURCE_CACHE,
        .variable = wire_string("PULUMI_ACCESS_TOKEN"),
    };
    size_t len;

    if (wire_encode(&message_token, 0, &message, frame, sizeof(frame), &len) < 0)
        exit(fail("the token does not fit"));
    return (struct record){.bytes = secret_new(frame, len),
                           .created_s = now.wall_s,
                           .expires_s = now.wall_s + 7200,
                           .expires_boot_usec = now.boot_usec + 7200 * SECOND_USEC};
}

static int fill(const char *path, const char *key_file, size_t n, size_t token_bytes)
{
    char error[STORE_ERROR_MAX], key_setting[512];
    const struct store_settings settings = {
        .path = path,
        .key = key_setting,
        .rows_max = 1000000,
        .events = {.on_row = on_row, .on_empty = on_empty},
    };
    struct record record = make_record(token_bytes);
    struct store *store;

    snprintf(key_setting, sizeof(key_setting), "file:%s", key_file);
    if (loop_init(&loop) < 0 || store_open(&settings, &loop, &store, error) < 0)
        return fail("cannot open the store");
    while (store_open_rows(store, BATCH))
        ;
    while (n > 0) {
        loop.is_done = false;
        for (; n > 0 && n_under_way < BATCH; n--, n_under_way++) {
            struct store_write *write = calloc(1, sizeof(*write));
            struct digest key;

            write->on_done = on_done;
            if (RAND_bytes(key.bytes, sizeof(key.bytes)) != 1 ||
                store_put(store, write, &key, &record) < 0)
                return fail("cannot store a row");
        }
        if (loop_run(&loop) < 0)
            return fail("the event loop failed");
    }
    store_close(store);
    secret_free(record.bytes);
    loop_done(&loop);
    return EXIT_SUCCESS;
}

static int read_whole(const char *path)
{
    uint64_t begun_usec = clock_boot_usec();
    CLEANUP(fd_closep)
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    CLEANUP(freep)
    char *bytes = NULL;
    size_t n = 0;

    if (fd < 0 || fstat(fd, &st) < 0 || !(bytes = malloc((size_t)st.st_size)))
        return fail("cannot read the file");
    while (n < (size_t)st.st_size) {
        ssize_t got = read(fd, bytes + n, (size_t)st.st_size - n);

        if (got <= 0)
            return fail("cannot read the file");
        n += (size_t)got;
    }
    printf("{\"us\":%llu,\"bytes\":%zu}\n", (unsigned long long)(clock_boot_usec() - begun_usec),
           n);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    log_init("bench-rows", LOG_WARNING);
    if (argc == 6 && strcmp(argv[1], "fill") == 0)
        return fill(argv[2], argv[3], strtoul(argv[4], NULL, 10), strtoul(argv[5], NULL, 10));
    if (argc == 3 && strcmp(argv[1], "read") == 0)
        return read_whole(argv[2]);
    return fail("usage: fill DATABASE KEY-FILE ROWS TOKEN-BYTES, or read FILE");
}
