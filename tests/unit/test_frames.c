/* A client's input is split into the same frames, however it arrives. */
#include "session/frames.h"

#include "protocol/messages.h"
#include "support/check.h"

#define STREAM_MAX 512

/* Writes a frame whose payload bytes all have the value @payload_len. Returns its length. */
static size_t frame_write(uint8_t *to, size_t payload_len, uint8_t type, uint16_t id)
{
    wire_header_write(to, (uint32_t)payload_len, type, id);
    memset(to + WIRE_HEADER_SIZE, type, payload_len);
    return WIRE_HEADER_SIZE + payload_len;
}

static enum frame_verdict look_at(const uint8_t *bytes, size_t len)
{
    CLEANUP(freep)
    uint8_t *exact = copy_of(bytes, len);
    struct wire_header header;
    const char *reason = NULL;
    enum frame_verdict verdict = frame_look(exact, len, &header, &reason);

    assert_true((verdict == FRAME_WRONG) == (reason != NULL));
    return verdict;
}

static void each_header_is_judged_as_soon_as_it_is_complete(void **state)
{
    static const struct {
        const char *name;
        uint32_t payload_len;
        uint8_t version;
        size_t n_payload; /* that have arrived */
        enum frame_verdict expected;
        const char *reason;
    } rows[] = {
        {"no payload", 0, 1, 0, FRAME_WHOLE, NULL},
        {"no byte of the payload yet", 5, 1, 0, FRAME_PARTIAL, NULL},
        {"one byte too few", 5, 1, 4, FRAME_PARTIAL, NULL},
        {"the whole payload", 5, 1, 5, FRAME_WHOLE, NULL},
        {"the whole payload and a further byte", 5, 1, 6, FRAME_WHOLE, NULL},
        {"the longest payload", PODLOGIN_REQUEST_MAX, 1, PODLOGIN_REQUEST_MAX, FRAME_WHOLE, NULL},
        {"the longest payload, one byte missing", PODLOGIN_REQUEST_MAX, 1, PODLOGIN_REQUEST_MAX - 1,
         FRAME_PARTIAL, NULL},
        {"too long", PODLOGIN_REQUEST_MAX + 1, 1, 0, FRAME_WRONG, "longer than 16384"},
        {"too long, and complete", PODLOGIN_REQUEST_MAX + 1, 1, PODLOGIN_REQUEST_MAX + 1,
         FRAME_WRONG, "longer than 16384"},
        {"the greatest length", UINT32_MAX, 1, 0, FRAME_WRONG, "longer than 16384"},
        {"negative if read as signed", 0x80000000, 1, 0, FRAME_WRONG, "longer than 16384"},
        {"version 0", 0, 0, 0, FRAME_WRONG, "the version of the frame"},
        {"version 2", 0, 2, 0, FRAME_WRONG, "the version of the frame"},
        {"version 255", 5, 255, 5, FRAME_WRONG, "the version of the frame"},
        {"another protocol: \"GET / HT\"", 0x47455420, '/', 0, FRAME_WRONG,
         "the version of the frame"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        size_t len = WIRE_HEADER_SIZE + rows[i].n_payload;
        CLEANUP(freep)
        uint8_t *bytes = calloc(1, len);
        struct wire_header header;
        const char *reason = "";
        enum frame_verdict verdict;

        assert_non_null(bytes);
        wire_header_write(bytes, rows[i].payload_len, MESSAGE_PING, 7);
        bytes[4] = rows[i].version;
        verdict = frame_look(bytes, len, &header, &reason);
        if (verdict != rows[i].expected)
            fail_msg("%s: %d", rows[i].name, (int)verdict);
        if (rows[i].reason && !strstr(reason, rows[i].reason))
            fail_msg("%s: \"%s\"", rows[i].name, reason);
        assert_int_equal(header.payload_len, rows[i].payload_len);
        assert_int_equal(header.id, 7);
        /* an incomplete header is not judged */
        for (size_t cut = 0; cut < WIRE_HEADER_SIZE; cut++)
            assert_int_equal(look_at(bytes, cut), FRAME_PARTIAL);
    }
}

static void every_truncation_of_a_frame_is_partial(void **state)
{
    uint8_t frame[STREAM_MAX];
    size_t len = frame_write(frame, 40, MESSAGE_GET, 1);

    (void)state;
    for (size_t cut = 0; cut < len; cut++)
        assert_int_equal(look_at(frame, cut), FRAME_PARTIAL);
    assert_int_equal(look_at(frame, len), FRAME_WHOLE);
}

/*
 * The bytes that a connection holds until their frame is complete, and the ids of complete frames,
 * in order.
 */
struct splitter {
    uint8_t held[STREAM_MAX];
    size_t n_held;
    uint16_t ids[16];
    size_t n;
};

/* Adds input as a connection does: after the bytes that were left over last time. */
static void splitter_take(struct splitter *splitter, const uint8_t *bytes, size_t len)
{
    size_t total = splitter->n_held + len, at = 0;
    CLEANUP(freep)
    uint8_t *input = malloc(total + 1);
    struct wire_header header;
    const char *reason;

    assert_non_null(input);
    memcpy(input, splitter->held, splitter->n_held);
    memcpy(input + splitter->n_held, bytes, len);
    while (frame_look(input + at, total - at, &header, &reason) == FRAME_WHOLE) {
        for (uint32_t i = 0; i < header.payload_len; i++)
            assert_int_equal(input[at + WIRE_HEADER_SIZE + i], header.type);
        splitter->ids[splitter->n++] = header.id;
        at += WIRE_HEADER_SIZE + header.payload_len;
    }
    splitter->n_held = total - at;
    memcpy(splitter->held, input + at, splitter->n_held);
}

static void a_stream_gives_the_same_frames_wherever_it_is_split(void **state)
{
    static const size_t payload_lens[] = {0, 1, 40, 0, 7, 8, 9, 100};
    uint8_t stream[STREAM_MAX];
    size_t len = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(payload_lens); i++)
        len += frame_write(stream + len, payload_lens[i], MESSAGE_PING, (uint16_t)i);
    for (size_t first = 0; first <= len; first++) {
        for (size_t second = first; second <= len; second++) {
            struct splitter splitter = {.n = 0};

            splitter_take(&splitter, stream, first);
            splitter_take(&splitter, stream + first, second - first);
            splitter_take(&splitter, stream + second, len - second);
            assert_int_equal(splitter.n, ARRAY_SIZE(payload_lens));
            assert_int_equal(splitter.n_held, 0);
            for (size_t i = 0; i < splitter.n; i++)
                assert_int_equal(splitter.ids[i], i);
        }
    }
}

static void a_stream_gives_the_same_frames_byte_by_byte(void **state)
{
    uint8_t stream[STREAM_MAX];
    struct splitter splitter = {.n = 0};
    size_t len = frame_write(stream, 40, MESSAGE_LOGIN, 0);

    (void)state;
    len += frame_write(stream + len, 0, MESSAGE_PING, 1);
    for (size_t i = 0; i < len; i++)
        splitter_take(&splitter, stream + i, 1);
    assert_int_equal(splitter.n, 2);
    assert_int_equal(splitter.n_held, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_header_is_judged_as_soon_as_it_is_complete),
        cmocka_unit_test(every_truncation_of_a_frame_is_partial),
        cmocka_unit_test(a_stream_gives_the_same_frames_wherever_it_is_split),
        cmocka_unit_test(a_stream_gives_the_same_frames_byte_by_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
