/* The frame codec: round trips, every truncation, and each way to break a payload. */
#include "protocol/messages.h"
#include "support/check.h"

static size_t encoded(const struct wire_message *message, const void *values, uint8_t *buf,
                      size_t size)
{
    size_t len = 0;

    assert_int_equal(wire_encode(message, 7, values, buf, size, &len), 0);
    return len;
}

static struct message_token token_sample(void)
{
    return (struct message_token){
        .token = wire_string("pul-secret"),
        .token_type = wire_string("token"),
        .expires_at_s = 1782050000,
        .source = TOKEN_SOURCE_CACHE,
        .variable = wire_string("PULUMI_ACCESS_TOKEN"),
        .attributes = {.item = {wire_string("A=1"), wire_string("B=2")}, .n = 2},
    };
}

static void an_encoded_message_can_be_decoded(void **state)
{
    struct message_token in = token_sample(), out;
    struct wire_header header;
    uint8_t buf[512];
    size_t len = encoded(&message_token, &in, buf, sizeof(buf));

    (void)state;
    wire_header_read(buf, &header);
    assert_int_equal(header.payload_len, len - WIRE_HEADER_SIZE);
    assert_int_equal(header.version, WIRE_VERSION);
    assert_int_equal(header.type, MESSAGE_TOKEN);
    assert_int_equal(header.id, 7);
    assert_int_equal(wire_decode(&message_token, buf + WIRE_HEADER_SIZE, header.payload_len, &out),
                     0);
    assert_true(wire_bytes_equal(out.token, "pul-secret"));
    assert_true(wire_bytes_equal(out.token_type, "token"));
    assert_int_equal(out.expires_at_s, 1782050000);
    assert_int_equal(out.source, TOKEN_SOURCE_CACHE);
    assert_true(wire_bytes_equal(out.variable, "PULUMI_ACCESS_TOKEN"));
    assert_int_equal(out.attributes.n, 2);
    assert_true(wire_bytes_equal(out.attributes.item[1], "B=2"));
}

static void every_truncation_is_refused_or_lacks_only_optional_fields(void **state)
{
    struct message_token in = token_sample(), out;
    uint8_t buf[512];
    size_t len = encoded(&message_token, &in, buf, sizeof(buf)) - WIRE_HEADER_SIZE;
    size_t accepted = 0;

    (void)state;
    for (size_t cut = 0; cut < len; cut++) {
        CLEANUP(freep)
        uint8_t *exact = copy_of(buf + WIRE_HEADER_SIZE, cut);

        accepted += wire_decode(&message_token, exact, cut, &out) == 0;
    }
    /* after expires_at, source, variable and the first attribute */
    assert_int_equal(accepted, 4);
}

static void every_short_buffer_is_refused(void **state)
{
    struct message_token in = token_sample();
    uint8_t buf[512];
    size_t len = encoded(&message_token, &in, buf, sizeof(buf)), ret_len;

    (void)state;
    for (size_t size = 0; size < len; size++) {
        CLEANUP(freep)
        uint8_t *exact = copy_of(buf, size);

        assert_int_equal(wire_encode(&message_token, 7, &in, exact, size, &ret_len), -ENOBUFS);
    }
}

static void broken_payloads_are_refused(void **state)
{
    static const struct {
        const char *why;
        uint8_t bytes[24];
        size_t len;
        int result;
    } cases[] = {
        {"a service", {1, 0, 0, 1, 'a'}, 5, 0},
        {"an empty payload", {0}, 0, -EBADMSG},
        {"half a field head", {1, 0, 0}, 3, -EBADMSG},
        {"a length past the end", {1, 0, 0, 2, 'a'}, 5, -EBADMSG},
        {"a length of 16 MiB", {1, 255, 255, 255, 'a'}, 5, -EBADMSG},
        {"a trailing byte", {1, 0, 0, 1, 'a', 0}, 6, -EBADMSG},
        {"a NUL in a string", {1, 0, 0, 2, 'a', 0}, 6, -EBADMSG},
        {"a newline in a string", {1, 0, 0, 2, 'a', '\n'}, 6, -EBADMSG},
        {"a repeated field", {1, 0, 0, 1, 'a', 1, 0, 0, 1, 'b'}, 10, -EBADMSG},
        {"fields out of order", {2, 0, 0, 4, 0, 0, 0, 1, 1, 0, 0, 1, 'a'}, 13, -EBADMSG},
        {"a required field missing", {2, 0, 0, 4, 0, 0, 0, 1}, 8, -EBADMSG},
        {"a number of three bytes", {1, 0, 0, 1, 'a', 2, 0, 0, 3, 0, 0, 1}, 12, -EBADMSG},
        {"a number over its limit", {1, 0, 0, 1, 'a', 3, 0, 0, 4, 255, 0, 0, 0}, 13, -EBADMSG},
        {"an unknown tag that must not be skipped", {1, 0, 0, 1, 'a', 9, 0, 0, 0}, 9, -EBADMSG},
        {"a required string that is empty", {1, 0, 0, 0}, 4, -EBADMSG},
        {"tag zero", {0, 0, 0, 0, 1, 0, 0, 1, 'a'}, 9, -EBADMSG},
        {"an unknown tag to be skipped", {1, 0, 0, 1, 'a', 0xc0, 0, 0, 1, 'x'}, 10, 0},
        {"the same tag to be skipped, twice",
         {1, 0, 0, 1, 'a', 0xc0, 0, 0, 0, 0xc0, 0, 0, 0},
         13,
         0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(freep)
        uint8_t *exact = copy_of(cases[i].bytes, cases[i].len);
        struct message_get get;

        if (wire_decode(&message_get, exact, cases[i].len, &get) != cases[i].result)
            fail_msg("%s: not %d", cases[i].why, cases[i].result);
    }
}

static void lists_are_bounded(void **state)
{
    struct message_identity out;
    uint8_t buf[4096];
    size_t len = 0;

    (void)state;
    for (uint8_t tag = 1; tag <= 5; tag++) {
        uint8_t field[] = {tag, 0, 0, 1, 'x'};

        memcpy(buf + len, field, sizeof(field));
        len += sizeof(field);
    }
    memcpy(buf + len, (uint8_t[]){8, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1}, 12);
    len += 12;
    for (int i = 0; i < WIRE_LIST_MAX + 1; i++) {
        assert_int_equal(wire_decode(&message_identity, buf, len, &out), 0);
        assert_int_equal(out.services.n, i);
        memcpy(buf + len, (uint8_t[]){9, 0, 0, 1, 's'}, 5);
        len += 5;
    }
    assert_int_equal(wire_decode(&message_identity, buf, len, &out), -EBADMSG);
}

static void an_invalid_message_of_the_caller_is_not_sent(void **state)
{
    struct message_get get = {.service = wire_string("two\nlines")};
    uint8_t buf[256];
    size_t len;

    (void)state;
    assert_int_equal(wire_encode(&message_get, 1, &get, buf, sizeof(buf), &len), -EINVAL);
    get.service = wire_string(NULL);
    assert_int_equal(wire_encode(&message_get, 1, &get, buf, sizeof(buf), &len), -EINVAL);
    get.service = wire_string("pulumi");
    get.timeout_ms = PODLOGIN_TIMEOUT_MAX_MS + 1;
    assert_int_equal(wire_encode(&message_get, 1, &get, buf, sizeof(buf), &len), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_encoded_message_can_be_decoded),
        cmocka_unit_test(every_truncation_is_refused_or_lacks_only_optional_fields),
        cmocka_unit_test(every_short_buffer_is_refused),
        cmocka_unit_test(broken_payloads_are_refused),
        cmocka_unit_test(lists_are_bounded),
        cmocka_unit_test(an_invalid_message_of_the_caller_is_not_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
