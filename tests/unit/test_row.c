/* A row opens in its database and under its name until it expires by the reliable clocks. */
#include "protocol/messages.h"
#include "store/row.h"
#include "support/check.h"

#define HOUR_S INT64_C(3600)
#define NOW_S  INT64_C(1800000000)
#define BOOT   (1000 * SECOND_USEC)

static const uint8_t key_bytes[SEAL_KEY_SIZE] = {1, 2, 3}, other_bytes[SEAL_KEY_SIZE] = {4, 5, 6};
static const struct digest key = {{7, 8, 9}};

static void rows_init(struct rows *rows)
{
    *rows = (struct rows){.database_id = {1}, .boot_id = {2}};
    assert_int_equal(seal_init(&rows->seal, key_bytes), 0);
}

static void rows_done(struct rows *rows)
{
    seal_done(&rows->seal);
    seal_done(&rows->previous);
}

/* A record of two hours, requested at NOW_S and BOOT. */
static void make_row(struct rows *rows, struct database_row *ret_row)
{
    struct message_token message = {.token = wire_string("pul-secret"),
                                    .token_type = wire_string("token"),
                                    .expires_at_s = (uint64_t)(NOW_S + 2 * HOUR_S),
                                    .source = TOKEN_SOURCE_CACHE};
    struct record record = {.created_s = NOW_S,
                            .expires_s = NOW_S + 2 * HOUR_S,
                            .expires_boot_usec = BOOT + 2 * HOUR_S * SECOND_USEC};
    uint8_t frame[256];
    size_t len;

    assert_int_equal(wire_encode(&message_token, 0, &message, frame, sizeof(frame), &len), 0);
    record.bytes = secret_new(frame, len);
    assert_int_equal(row_seal(rows, &key, &record, ret_row), 0);
    secret_free(record.bytes);
}

static enum row_state open_row(struct rows *rows, const struct database_row *row, struct now now,
                               int64_t *ret_left_s)
{
    struct digest opened;
    struct record record = {0};
    enum row_state state;

    assert_int_equal(row_open(rows, row, now, &state, &opened, &record), 0);
    if (state == ROW_GOOD || state == ROW_OLD) {
        assert_memory_equal(&opened, &key, sizeof(key));
        *ret_left_s = (int64_t)(record.expires_boot_usec - now.boot_usec) / (int64_t)SECOND_USEC;
        secret_free(record.bytes);
    } else {
        assert_null(record.bytes);
    }
    return state;
}

static void expiry_is_evaluated_with_the_reliable_clocks(void **state)
{
    static const struct {
        const char *why;
        int64_t wall_s;
        uint64_t boot_s; /* after BOOT; of the same boot or of another one */
        bool is_other_boot;
        int64_t seen_s;
        enum row_state expected;
        int64_t left_s;
    } cases[] = {
        {"at once", 0, 0, false, 0, ROW_GOOD, 7200},
        {"an hour later", 3600, 3600, false, 0, ROW_GOOD, 3600},
        {"in its last second", 7199, 7199, false, 0, ROW_GOOD, 1},
        {"at its expiry", 7200, 7200, false, 0, ROW_EXPIRED, 0},
        {"the wall clock is set back", 0, 3600, false, 0, ROW_GOOD, 3600},
        {"the wall clock is set back to 1970", -NOW_S, 3600, false, 0, ROW_GOOD, 3600},
        {"the wall clock is set back, expired by the boot clock", 0, 7200, false, 0, ROW_EXPIRED,
         0},
        {"the wall clock is set forward", 7200, 60, false, 0, ROW_EXPIRED, 0},
        {"the wall clock is set forward by two days", 172800, 60, false, 0, ROW_EXPIRED, 0},
        {"after a boot", 3600, 5, true, 3000, ROW_GOOD, 3600},
        {"after a boot, at its expiry", 7200, 5, true, 3000, ROW_EXPIRED, 0},
        {"after a boot, before it was created", -60, 5, true, 0, ROW_EXPIRED, 0},
        {"after a boot, earlier than seen before", 3000, 5, true, 3600, ROW_EXPIRED, 0},
        {"after a boot, in 1970", -NOW_S + 10, 5, true, 3600, ROW_EXPIRED, 0},
        {"after a boot, set back by a second", 3599, 5, true, 3600, ROW_GOOD, 3601},
    };
    struct database_row row;
    struct rows rows;

    (void)state;
    rows_init(&rows);
    make_row(&rows, &row);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct now now = {.wall_s = NOW_S + cases[i].wall_s,
                          .boot_usec = BOOT + cases[i].boot_s * SECOND_USEC};
        int64_t left_s = 0;
        enum row_state got;

        rows.boot_id[0] = cases[i].is_other_boot ? 3 : 2;
        rows.seen_s = cases[i].seen_s ? NOW_S + cases[i].seen_s : 0;
        got = open_row(&rows, &row, now, &left_s);
        if (got != cases[i].expected || left_s != cases[i].left_s)
            fail_msg("%s: %d, %d s left", cases[i].why, (int)got, (int)left_s);
    }
    free((void *)row.sealed);
    rows_done(&rows);
}

/* Every bit of every column, and of the associated data that is not a column. */
static void every_flipped_bit_makes_a_miss(void **state)
{
    struct now now = {.wall_s = NOW_S + 60, .boot_usec = BOOT + 60 * SECOND_USEC};
    struct database_row row;
    struct rows rows;
    size_t n = 0;
    int64_t left_s;

    (void)state;
    rows_init(&rows);
    make_row(&rows, &row);
    assert_int_equal(open_row(&rows, &row, now, &left_s), ROW_GOOD);

    const struct {
        void *at;
        size_t len;
    } parts[] = {
        {row.name.bytes, DIGEST_SIZE},
        {row.key_id, sizeof(row.key_id)},
        {row.boot_id, sizeof(row.boot_id)},
        {&row.created_s, 8},
        {&row.expires_s, 8},
        {&row.expires_boot_usec, 8},
        {(void *)row.sealed, row.sealed_len},
        {rows.database_id, sizeof(rows.database_id)},
    };

    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        uint8_t *bytes = parts[i].at;

        for (size_t bit = 0; bit < 8 * parts[i].len; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            if (open_row(&rows, &row, now, &left_s) != ROW_BAD)
                fail_msg("part %zu, bit %zu", i, bit);
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            n++;
        }
    }
    assert_int_equal(open_row(&rows, &row, now, &left_s), ROW_GOOD);
    print_message("each of %zu flipped bits is a miss\n", n);
    free((void *)row.sealed);
    rows_done(&rows);
}

static void every_truncation_makes_a_miss(void **state)
{
    struct now now = {.wall_s = NOW_S, .boot_usec = BOOT};
    struct database_row row;
    struct rows rows;
    int64_t left_s;

    (void)state;
    rows_init(&rows);
    make_row(&rows, &row);
    for (size_t cut = 0; cut < row.sealed_len; cut++) {
        struct database_row shorter = row;
        CLEANUP(freep)
        uint8_t *exact = copy_of(row.sealed, cut);

        shorter.sealed = exact;
        shorter.sealed_len = cut;
        assert_int_equal(open_row(&rows, &shorter, now, &left_s), ROW_BAD);
    }
    free((void *)row.sealed);
    rows_done(&rows);
}

static void the_previous_key_opens_a_row_but_no_other_key_does(void **state)
{
    struct now now = {.wall_s = NOW_S, .boot_usec = BOOT};
    struct database_row row;
    struct rows rows;
    int64_t left_s;

    (void)state;
    rows_init(&rows);
    make_row(&rows, &row);
    seal_done(&rows.seal);
    assert_int_equal(seal_init(&rows.seal, other_bytes), 0);
    assert_int_equal(open_row(&rows, &row, now, &left_s), ROW_BAD);
    assert_int_equal(seal_init(&rows.previous, key_bytes), 0);
    assert_int_equal(open_row(&rows, &row, now, &left_s), ROW_OLD);
    free((void *)row.sealed);
    rows_done(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expiry_is_evaluated_with_the_reliable_clocks),
        cmocka_unit_test(every_flipped_bit_makes_a_miss),
        cmocka_unit_test(every_truncation_makes_a_miss),
        cmocka_unit_test(the_previous_key_opens_a_row_but_no_other_key_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
