/* A token in the broker: how it is created, and how long it is served. */
#include "broker/token.h"

#include "message/frame.h"
#include "protocol/messages.h"
#include "support/check.h"

#define NOW_S INT64_C(1800000000)
#define BOOT  (1000 * SECOND_USEC)

/* --- instead of base/clock.c --- */

static const struct now now = {.wall_s = NOW_S, .boot_usec = BOOT};

struct now clock_now(void)
{
    return now;
}

uint64_t clock_boot_usec(void)
{
    return BOOT;
}

int64_t clock_wall_usec(void)
{
    return NOW_S * (int64_t)SECOND_USEC;
}

uint64_t random_below(uint64_t below)
{
    return below / 2;
}

int clock_boot_id(uint8_t ret_id[BOOT_ID_SIZE])
{
    memset(ret_id, 1, BOOT_ID_SIZE);
    return 0;
}

/* --- tests --- */

static void a_token_is_served_until_a_margin_before_its_expiry(void **state)
{
    static const struct {
        int64_t lifetime_s;
        int64_t wall_left_s, boot_left_s;
        uint64_t expected_usec;
    } cases[] = {
        /* the margin is a tenth of the lifetime, between one and five seconds */
        {7200, 7200, 7200, 7195 * SECOND_USEC},
        {50, 50, 50, 45 * SECOND_USEC},
        {40, 40, 40, 36 * SECOND_USEC},
        {20, 20, 20, 18 * SECOND_USEC},
        {10, 10, 10, 9 * SECOND_USEC},
        {5, 5, 5, 4 * SECOND_USEC},
        {1, 1, 1, 0},
        /* the earlier expiry applies */
        {7200, 3600, 7200, 3595 * SECOND_USEC},
        {7200, 7200, 3600, 3595 * SECOND_USEC},
        {7200, 6, 6, 1 * SECOND_USEC},
        {7200, 5, 5, 0},
        {7200, 0, 7200, 0},
        {7200, -1, 7200, 0},
        {7200, 7200, 0, 0},
        {7200, 7200, -1, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct token token = {
            .created_s = NOW_S + cases[i].wall_left_s - cases[i].lifetime_s,
            .expires_s = NOW_S + cases[i].wall_left_s,
            .expires_boot_usec =
                (uint64_t)((int64_t)BOOT + cases[i].boot_left_s * (int64_t)SECOND_USEC),
        };

        if (token_left_usec(&token, now) != cases[i].expected_usec)
            fail_msg("%zu: %llu", i, (unsigned long long)token_left_usec(&token, now));
    }
}

static const struct environment environment = {
    .directory = "PULUMI_CREDENTIALS_PATH=5f",
    .files = {.item = {{(const uint8_t *)"credentials.json=%t", 19}}, .n = 1},
    .unset = {.item = {{(const uint8_t *)"PULUMI_API", 10}}, .n = 1},
};

static struct job_result good_result(void)
{
    return (struct job_result){
        .outcome = OUTCOME_OK,
        .token = wire_string("pul-secret"),
        .token_type = wire_string("token"),
        .expires_in_s = 7200,
        .variable = wire_string("PULUMI_ACCESS_TOKEN"),
    };
}

static void the_lifetime_of_a_token_starts_when_it_was_requested(void **state)
{
    const struct job_result result = good_result();
    struct message_token message;
    struct token token;

    (void)state;
    assert_int_equal(token_from_result(&result, &environment, BOOT - 10 * SECOND_USEC, &token), 0);
    assert_int_equal(token.created_s, NOW_S - 10);
    assert_int_equal(token.expires_s, NOW_S + 7190);
    assert_int_equal(token.expires_boot_usec, BOOT + 7190 * SECOND_USEC);
    assert_int_equal(token_left_usec(&token, now), 7185 * SECOND_USEC);
    assert_int_equal(frame_read(token.frame, &message_token, &message), 0);
    assert_int_equal(message.expires_at_s, NOW_S + 7190);
    assert_int_equal(message.source, TOKEN_SOURCE_CACHE);
    assert_true(wire_bytes_equal(message.directory, "PULUMI_CREDENTIALS_PATH=5f"));
    assert_int_equal(message.files.n, 1);
    assert_true(wire_bytes_equal(message.files.item[0], "credentials.json=%t"));
    assert_int_equal(message.unset.n, 1);
    assert_true(wire_bytes_equal(message.unset.item[0], "PULUMI_API"));
    /* the first 64 bits of the SHA-256 of "pul-secret" */
    assert_true(token.fingerprint == UINT64_C(0x5db09dc26593487c));
    token_done(&token);
}

static void a_result_that_does_not_fit_an_answer_gives_no_token(void **state)
{
    struct job_result result = good_result();
    struct token token;

    (void)state;
    result.token_type = wire_string("to\nken");
    assert_int_equal(token_from_result(&result, &environment, BOOT, &token), -EINVAL);
    result = good_result();
    result.token = wire_string(NULL);
    assert_int_equal(token_from_result(&result, &environment, BOOT, &token), -EINVAL);
}

static struct record good_record(void)
{
    const struct job_result result = good_result();
    struct record record;
    struct token token;

    assert_int_equal(token_from_result(&result, &environment, BOOT, &token), 0);
    record = token_record(&token);
    assert_ptr_equal(record.bytes, token.frame);
    return record;
}

static void a_token_can_be_restored_from_its_record(void **state)
{
    struct record record = good_record();
    struct token token;

    (void)state;
    assert_int_equal(token_from_record(&record, &token), 0);
    assert_null(record.bytes);
    assert_int_equal(token.expires_s, NOW_S + 7200);
    assert_true(token.fingerprint == UINT64_C(0x5db09dc26593487c));
    token_done(&token);
}

/*
 * Although the daemon has sealed the record, it is not an answer, or the answer contradicts the
 * record.
 */
static void invalid_records_give_no_token(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        struct record record = good_record();
        struct token token;

        record.expires_s += i == 0;
        record.bytes->len -= i == 1;
        if (i == 2)
            record.bytes->bytes[5] = MESSAGE_ERROR;
        record.bytes->bytes[3] += i == 3;
        if (i == 4)
            record.bytes->len = 1;
        if (i == 5)
            record.bytes->len = 0;
        assert_int_equal(token_from_record(&record, &token), -EBADMSG);
        assert_null(record.bytes);
    }
}

static void a_backward_step_changes_the_reported_expiry(void **state)
{
    struct record record = good_record();
    struct now back = {.wall_s = NOW_S - 3600, .boot_usec = BOOT};
    struct message_token message;
    struct token token;

    (void)state;
    assert_int_equal(token_from_record(&record, &token), 0);
    assert_int_equal(token_redate(&token, now), 0);
    assert_int_equal(token_redate(&token, back), 1);
    assert_int_equal(token.expires_s, NOW_S + 3600);
    assert_int_equal(token_lifetime_usec(&token), 7200 * SECOND_USEC);
    assert_int_equal(frame_read(token.frame, &message_token, &message), 0);
    assert_int_equal(message.expires_at_s, NOW_S + 3600);
    assert_int_equal(token_redate(&token, now), 0); /* a second update changes nothing */
    token_done(&token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_is_served_until_a_margin_before_its_expiry),
        cmocka_unit_test(the_lifetime_of_a_token_starts_when_it_was_requested),
        cmocka_unit_test(a_result_that_does_not_fit_an_answer_gives_no_token),
        cmocka_unit_test(a_token_can_be_restored_from_its_record),
        cmocka_unit_test(invalid_records_give_no_token),
        cmocka_unit_test(a_backward_step_changes_the_reported_expiry),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
