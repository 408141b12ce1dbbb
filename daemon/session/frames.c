#include "session/frames.h"

#include "protocol/messages.h"

enum frame_verdict frame_look(const uint8_t *input, size_t len, struct wire_header *ret_header,
                              const char **ret_reason)
{
    if (len < WIRE_HEADER_SIZE)
        return FRAME_PARTIAL;
    wire_header_read(input, ret_header);
    if (ret_header->version != WIRE_VERSION) {
        *ret_reason = "the version of the frame is not 1";
        return FRAME_WRONG;
    }
    if (ret_header->payload_len > PODLOGIN_REQUEST_MAX) {
        *ret_reason = "the payload is longer than 16384 bytes";
        return FRAME_WRONG;
    }
    return len - WIRE_HEADER_SIZE < ret_header->payload_len ? FRAME_PARTIAL : FRAME_WHOLE;
}
