/*
 * Frames have exactly the measured size and are read as their own type only. Numbers can be changed
 * in place.
 */
#include "message/frame.h"

#include "protocol/messages.h"
#include "support/check.h"

static struct message_token full_message(void)
{
    return (struct message_token){
        .token = wire_string("pul-secret"),
        .token_type = wire_string("token"),
        .expires_at_s = 1800000000,
        .source = TOKEN_SOURCE_CACHE,
        .variable = wire_string("PULUMI_ACCESS_TOKEN"),
        .attributes = {.item = {wire_string("A=1"), wire_string("B=22")}, .n = 2},
    };
}

static void a_frame_has_the_size_that_was_measured(void **state)
{
    struct message_token message = full_message();
    uint8_t buffer[512];
    size_t len;

    (void)state;
    for (int i = 0; i < 4; i++) {
        CLEANUP(secret_freep)
        struct secret *frame = NULL;

        assert_int_equal(wire_encode(&message_token, 7, &message, buffer, sizeof(buffer), &len), 0);
        assert_int_equal(wire_size(&message_token, &message), len);
        assert_int_equal(frame_new(&message_token, 7, &message, &frame), 0);
        assert_int_equal(frame->len, len);
        assert_memory_equal(frame->bytes, buffer, len);
        if (i == 0)
            message.attributes.n = 0;
        if (i == 1)
            message.variable = wire_string(NULL);
        if (i == 2)
            message.source = 0;
    }
}

static void values_that_break_the_table_are_refused(void **state)
{
    static uint8_t text[PODLOGIN_TOKEN_MAX + 1];
    struct message_token message = full_message();
    struct secret *frame = NULL;

    (void)state;
    message.token = wire_bytes(text, sizeof(text));
    assert_int_equal(frame_new(&message_token, 0, &message, &frame), -EINVAL);
    message = full_message();
    message.token_type = wire_string("a\nb");
    assert_int_equal(frame_new(&message_token, 0, &message, &frame), -EINVAL);
    assert_null(frame);
}

static void a_frame_is_read_as_its_own_type_only(void **state)
{
    const struct message_token message = full_message();
    CLEANUP(secret_freep)
    struct secret *frame = NULL;
    struct message_token read;
    struct message_error error;

    (void)state;
    assert_int_equal(frame_new(&message_token, 7, &message, &frame), 0);
    assert_int_equal(frame_read(frame, &message_token, &read), 0);
    assert_true(wire_bytes_equal(read.token, "pul-secret"));
    assert_int_equal(frame_read(frame, &message_error, &error), -EBADMSG);
    for (uint32_t len = frame->len - 1; len > 0; len--) {
        frame->len = len;
        assert_int_equal(frame_read(frame, &message_token, &read), -EBADMSG);
    }
}

static void a_number_can_be_changed_in_place(void **state)
{
    const struct message_token message = full_message();
    CLEANUP(secret_freep)
    struct secret *frame = NULL;
    struct message_token read;

    (void)state;
    assert_int_equal(frame_new(&message_token, 7, &message, &frame), 0);
    assert_true(wire_set_u32(frame->bytes, MESSAGE_TOKEN_SOURCE, TOKEN_SOURCE_JOINED));
    assert_int_equal(frame_read(frame, &message_token, &read), 0);
    assert_int_equal(read.source, TOKEN_SOURCE_JOINED);
    assert_true(wire_bytes_equal(read.token, "pul-secret"));
    assert_int_equal(read.attributes.n, 2);
    assert_false(wire_set_u32(frame->bytes, 3, 1)); /* a u64 */
    assert_false(wire_set_u32(frame->bytes, 1, 1)); /* bytes */
    assert_false(wire_set_u32(frame->bytes, 9, 1)); /* absent */
    assert_int_equal(frame_read(frame, &message_token, &read), 0);
    assert_int_equal(read.expires_at_s, 1800000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_has_the_size_that_was_measured),
        cmocka_unit_test(values_that_break_the_table_are_refused),
        cmocka_unit_test(a_frame_is_read_as_its_own_type_only),
        cmocka_unit_test(a_number_can_be_changed_in_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
