/*
 * Any bytes of a client: they are the same frames, however they arrive, and each payload is a
 * request within its limits, or refused.
 */
#include "fuzz/fuzz.h"
#include "protocol/messages.h"
#include "protocol/names.h"
#include "session/frames.h"

union request {
    struct message_login login;
    struct message_get get;
    struct message_whoami whoami;
    struct message_ping ping;
};

static void check_request(const struct wire_header *header, const uint8_t *payload)
{
    static const struct wire_message *const messages[] = {
        [MESSAGE_LOGIN] = &message_login,
        [MESSAGE_GET] = &message_get,
        [MESSAGE_WHOAMI] = &message_whoami,
        [MESSAGE_PING] = &message_ping,
    };
    union request request;

    if (header->type < MESSAGE_LOGIN || header->type > MESSAGE_PING ||
        wire_decode(messages[header->type], payload, header->payload_len, &request) < 0)
        return;
    if (header->type == MESSAGE_LOGIN)
        PROMISE(request.login.subject_token.len > 0 &&
                request.login.subject_token.len <= PODLOGIN_JWT_MAX);
    if (header->type == MESSAGE_GET) {
        struct wire_bytes service = request.get.service;

        PROMISE(service.len > 0 && service.len <= PODLOGIN_SERVICE_MAX);
        PROMISE(is_line(service.at, service.len));
        if (service_name_is_valid((const char *)service.at, service.len))
            PROMISE(service.at[0] != '.' && !memchr(service.at, '/', service.len));
        PROMISE(request.get.min_ttl_s <= PODLOGIN_MIN_TTL_MAX_S &&
                request.get.timeout_ms <= PODLOGIN_TIMEOUT_MAX_MS);
    }
}

/* Looks at each beginning of @input. Returns the length of the frame; 0 if there is none. */
static size_t look(const struct input *input)
{
    struct wire_header header, earlier;
    enum frame_verdict verdict = FRAME_PARTIAL;
    const char *reason = NULL;
    size_t len = 0;

    while (verdict == FRAME_PARTIAL && len < input->len)
        verdict = frame_look(input->at, ++len, &header, &reason);
    PROMISE((verdict == FRAME_WRONG) == (reason != NULL));
    if (verdict == FRAME_PARTIAL)
        return 0;
    earlier = header;
    PROMISE(frame_look(input->at, input->len, &header, &reason) == verdict);
    PROMISE(memcmp(&header, &earlier, sizeof(header)) == 0);
    if (verdict == FRAME_WRONG)
        return 0;
    PROMISE(len == WIRE_HEADER_SIZE + header.payload_len &&
            header.payload_len <= PODLOGIN_REQUEST_MAX);
    check_request(&header, input->at + WIRE_HEADER_SIZE);
    return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    size_t len;

    while ((len = look(&input)) > 0)
        input_part(&input, len);
    return 0;
}
