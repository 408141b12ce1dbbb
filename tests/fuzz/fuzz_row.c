/*
 * Any row: one that was changed after it was sealed does not open, and one that opens has the bytes
 * and the key that were sealed, and a lifetime within both of its clocks. Any record: it is a token
 * of exactly these bytes and this expiry, or refused.
 *
 * The input has flags, three times, changes of the row, and the payload of the record.
 */
#include "broker/token.h"
#include "fuzz/fuzz.h"
#include "message/frame.h"
#include "protocol/messages.h"
#include "store/row.h"

#define NOW_S INT64_C(1800000000)
#define BOOT  (1000000 * SECOND_USEC)

enum flags {
    OTHER_BOOT = 1,   /* the row is of an earlier boot */
    CLOCK_BACK = 2,   /* the wall clock was set back since */
    PREVIOUS_KEY = 4, /* the key was changed since */
};

static const struct now now = {.wall_s = NOW_S, .boot_usec = BOOT};
static const struct digest key = {{7, 8, 9}};

static struct rows *rows(void)
{
    static struct rows all = {.database_id = {1}, .boot_id = {2}};
    static const uint8_t bytes[SEAL_KEY_SIZE] = {1, 2, 3}, previous[SEAL_KEY_SIZE] = {4};

    if (!all.seal.key)
        PROMISE(seal_init(&all.seal, bytes) == 0 && seal_init(&all.previous, previous) == 0);
    return &all;
}

/* A record with the header of a token; times are up to three weeks away from now. */
static struct record record_of(struct input *input)
{
    int64_t created_s = NOW_S - 1000000 + (int64_t)input_number(input, 2) * 31;
    int64_t expires_s = NOW_S - 1000000 + (int64_t)input_number(input, 2) * 31;
    uint64_t boot_s = input_number(input, 2);

    return (struct record){.created_s = created_s,
                           .expires_s = expires_s,
                           .expires_boot_usec = BOOT - 1000 * SECOND_USEC + boot_s * SECOND_USEC};
}

/* Changes a byte of a column, the sealed bytes or their length, or the version. */
static void change(struct database_row *row, struct input *input)
{
    const struct {
        void *at;
        size_t len;
    } parts[] = {
        {(void *)row->sealed, row->sealed_len},
        {row->name.bytes, DIGEST_SIZE},
        {row->key_id, sizeof(row->key_id)},
        {row->boot_id, sizeof(row->boot_id)},
        {&row->created_s, 8},
        {&row->expires_s, 8},
        {&row->expires_boot_usec, 8},
    };
    size_t part = input_number(input, 1), at = input_number(input, 2);
    uint8_t mask = (uint8_t)input_number(input, 1);

    if (part < sizeof(parts) / sizeof(parts[0]))
        ((uint8_t *)parts[part].at)[at % parts[part].len] ^= mask;
    else if (part & 1)
        row->sealed_len -= mask < row->sealed_len ? mask : 0;
    else
        row->version = 1;
}

static void check_token(struct record *record)
{
    struct message_token message;
    struct token token;

    if (token_from_record(record, &token) < 0)
        return;
    PROMISE(frame_read(token.frame, &message_token, &message) == 0 && message.token.len > 0);
    PROMISE((int64_t)message.expires_at_s == token.expires_s && token.expires_s > NOW_S);
    PROMISE(token_left_usec(&token, now) <= token_lifetime_usec(&token));
    if (token_redate(&token, (struct now){NOW_S - 5000, BOOT}) == 1)
        PROMISE(frame_read(token.frame, &message_token, &message) == 0 &&
                (int64_t)message.expires_at_s == token.expires_s);
    token_done(&token);
}

/* Opens the row at another time, as the flags say. */
static enum row_state open_later(struct database_row *row, uint8_t flags, struct digest *ret_key,
                                 struct record *ret_record)
{
    struct rows later = *rows();
    enum row_state state;

    later.boot_id[0] += flags & OTHER_BOOT ? 1 : 0;
    later.seen_s = flags & CLOCK_BACK ? NOW_S + 10 : 0;
    if (flags & PREVIOUS_KEY) {
        later.previous = rows()->seal;
        later.seal = rows()->previous;
    }
    PROMISE(row_open(&later, row, now, &state, ret_key, ret_record) == 0 && state < ROW_STATES);
    return state;
}

static void open_row(struct database_row *row, uint8_t flags, const struct record *sealed,
                     bool is_changed)
{
    struct record opened = {0};
    struct digest opened_key;
    enum row_state state = open_later(row, flags, &opened_key, &opened);
    bool is_valid = state == ROW_GOOD || state == ROW_OLD;

    PROMISE(is_valid == (opened.bytes != NULL) && !(is_changed && state != ROW_BAD));
    if (!is_valid)
        return;
    PROMISE((state == ROW_OLD) == ((flags & PREVIOUS_KEY) != 0));
    PROMISE((flags & (OTHER_BOOT | CLOCK_BACK)) != (OTHER_BOOT | CLOCK_BACK));
    PROMISE(opened.expires_s > NOW_S && opened.expires_s > opened.created_s);
    PROMISE(opened.expires_boot_usec > BOOT &&
            opened.expires_boot_usec - BOOT <=
                (uint64_t)(opened.expires_s - opened.created_s) * SECOND_USEC);
    PROMISE(flags & OTHER_BOOT || opened.expires_boot_usec <= sealed->expires_boot_usec);
    PROMISE(memcmp(&opened_key, &key, sizeof(key)) == 0);
    PROMISE(opened.bytes->len == sealed->bytes->len &&
            memcmp(opened.bytes->bytes, sealed->bytes->bytes, opened.bytes->len) == 0);
    check_token(&opened);
}

/* Seals a record with the payload of a token. The caller frees its bytes and the row's. */
static void seal(struct record *record, struct input payload, struct database_row *ret_row)
{
    record->bytes = secret_alloc(WIRE_HEADER_SIZE + payload.len);
    PROMISE(record->bytes);
    wire_header_write(record->bytes->bytes, (uint32_t)payload.len, MESSAGE_TOKEN, 0);
    if (payload.len)
        memcpy(record->bytes->bytes + WIRE_HEADER_SIZE, payload.at, payload.len);
    PROMISE(row_seal(rows(), &key, record, ret_row) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    uint8_t flags = (uint8_t)input_number(&input, 1);
    struct record record = record_of(&input);
    struct input changes = input_part(&input, input_number(&input, 1) % 4 * 4);
    struct database_row row, original;
    CLEANUP(freep)
    uint8_t *sealed = NULL;
    bool is_changed;

    seal(&record, input, &original);
    row = original;
    sealed = malloc(row.sealed_len);
    PROMISE(sealed);
    memcpy(sealed, original.sealed, row.sealed_len);
    row.sealed = sealed;
    while (changes.len)
        change(&row, &changes);
    /* two changes may undo each other */
    is_changed = memcmp(row.sealed, original.sealed, row.sealed_len) != 0;
    row.sealed = original.sealed;
    is_changed = is_changed || memcmp(&row, &original, sizeof(row)) != 0;
    row.sealed = sealed;
    open_row(&row, flags, &record, is_changed);
    free((void *)original.sealed);
    secret_free(record.bytes);
    return 0;
}
