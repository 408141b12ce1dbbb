/* Whole frames in secret memory: most of them hold a token or a JWT. */
#ifndef FRAME_H
#define FRAME_H

#include "base/secret.h"
#include "protocol/wire.h"

/*
 * Encodes @values into a frame of its exact size, which the caller frees.
 *
 * Returns 0; -EINVAL if a value breaks the message's table; -ENOMEM.
 */
int frame_new(const struct wire_message *message, uint16_t id, const void *values,
              struct secret **ret_frame);

/*
 * Decodes a whole frame, which has to be of @message's type; what is decoded points into it.
 *
 * Returns 0 or -EBADMSG.
 */
int frame_read(const struct secret *frame, const struct wire_message *message, void *ret_values);

#endif
