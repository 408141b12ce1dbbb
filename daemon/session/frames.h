/* Divides a client's input into frames. Does no I/O. */
#ifndef SESSION_FRAMES_H
#define SESSION_FRAMES_H

#include "protocol/wire.h"

enum frame_verdict {
    FRAME_WHOLE,
    FRAME_PARTIAL, /* valid so far; more bytes must arrive */
    FRAME_WRONG,   /* not valid; where the next frame begins is unknown */
};

/*
 * Looks at the frame at the beginning of @input, which has @len bytes.
 *
 * Returns FRAME_WHOLE: the payload of @ret_header->payload_len bytes follows the header, and more
 * input may follow the payload; FRAME_PARTIAL; or FRAME_WRONG, as soon as the header has arrived,
 * with the reason in @ret_reason.
 */
enum frame_verdict frame_look(const uint8_t *input, size_t len, struct wire_header *ret_header,
                              const char **ret_reason);

#endif
