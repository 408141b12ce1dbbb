/* Any payload: it is decoded or refused; decoding the encoded result gives the same result. */
#include "fuzz/fuzz.h"
#include "protocol/messages.h"

static const struct wire_message *const messages[] = {
    &message_login, &message_get,      &message_whoami, &message_ping,
    &message_token, &message_identity, &message_pong,   &message_error,
};

#define MESSAGES (sizeof(messages) / sizeof(messages[0]))

/* The daemon changes the source of a token in its frame. */
static void check_source(const struct wire_message *message, uint8_t *frame, size_t len)
{
    struct message_token token;

    if (message != &message_token)
        return;
    if (wire_set_u32(frame, MESSAGE_TOKEN_SOURCE, 3)) {
        PROMISE(wire_decode(message, frame + WIRE_HEADER_SIZE, len - WIRE_HEADER_SIZE, &token) ==
                0);
        PROMISE(token.source == 3);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t first[WIRE_HEADER_SIZE + PODLOGIN_ANSWER_MAX], second[sizeof(first)];
    static uint8_t values[8192], again[sizeof(values)];
    const struct wire_message *message;
    size_t first_len, second_len;

    if (size == 0)
        return 0;
    message = messages[data[0] % MESSAGES];
    PROMISE(message->size <= sizeof(values));
    if (wire_decode(message, data + 1, size - 1, values) < 0)
        return 0;
    /* unknown optional fields and numbers that are 0 are dropped, so only later rounds are equal */
    PROMISE(wire_encode(message, 1, values, first, sizeof(first), &first_len) == 0);
    PROMISE(wire_decode(message, first + WIRE_HEADER_SIZE, first_len - WIRE_HEADER_SIZE, again) ==
            0);
    PROMISE(wire_encode(message, 1, again, second, sizeof(second), &second_len) == 0);
    PROMISE(first_len == second_len && memcmp(first, second, first_len) == 0);
    PROMISE(wire_size(message, again) == first_len);
    check_source(message, first, first_len);
    return 0;
}
