#include "message/frame.h"

#include <errno.h>

int frame_new(const struct wire_message *message, uint16_t id, const void *values,
              struct secret **ret_frame)
{
    CLEANUP(secret_freep)
    struct secret *frame = secret_alloc(wire_size(message, values));
    size_t len;
    int r;

    if (!frame)
        return -ENOMEM;
    r = wire_encode(message, id, values, frame->bytes, frame->len, &len);
    if (r < 0)
        return r == -ENOBUFS ? -EINVAL : r; /* longer than the message's limit */
    *ret_frame = TAKE_PTR(frame);
    return 0;
}

int frame_read(const struct secret *frame, const struct wire_message *message, void *ret_values)
{
    struct wire_header header;

    if (frame->len < WIRE_HEADER_SIZE)
        return -EBADMSG;
    wire_header_read(frame->bytes, &header);
    if (header.type != message->type || header.payload_len != frame->len - WIRE_HEADER_SIZE)
        return -EBADMSG;
    return wire_decode(message, frame->bytes + WIRE_HEADER_SIZE, header.payload_len, ret_values);
}
