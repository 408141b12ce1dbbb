/* Where a client's input divides into frames. Pure. */
#ifndef FRAMES_H
#define FRAMES_H

#include "protocol/wire.h"

enum frame_verdict {
    FRAME_WHOLE,
    FRAME_PARTIAL, /* so far nothing is wrong with it; more has to come */
    FRAME_WRONG,   /* where the next one begins cannot be told */
};

/*
 * Looks at the frame that @len bytes of @input begin with. FRAME_WHOLE: its payload of
 * @ret_header->payload_len bytes follows its header; there may be more behind it. FRAME_WRONG:
 * @ret_reason says why, as soon as the header is there.
 */
enum frame_verdict frame_look(const uint8_t *input, size_t len, struct wire_header *ret_header,
                              const char **ret_reason);

#endif
