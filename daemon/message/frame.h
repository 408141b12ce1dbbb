/* Complete frames in secret memory, because most of them hold a token or a JWT. */
#ifndef MESSAGE_FRAME_H
#define MESSAGE_FRAME_H

#include "base/secret.h"
#include "protocol/wire.h"

/*
 * Encodes a message into a frame of the exact size.
 *
 * @values:    the message's struct.
 * @ret_frame: set on success only; the caller frees it.
 *
 * Returns 0; -EINVAL if a value breaks the message's table; or -ENOMEM, also if the frame is larger
 * than a secret can be.
 */
int frame_new(const struct wire_message *message, uint16_t id, const void *values,
              struct secret **ret_frame);

/*
 * Decodes a complete frame of the type of @message.
 *
 * @ret_values: the message's struct. Its strings, bytes and lists point into @frame.
 *
 * Returns 0, or -EBADMSG: another type, another length, or a payload that breaks the table.
 */
int frame_read(const struct secret *frame, const struct wire_message *message, void *ret_values);

#endif
