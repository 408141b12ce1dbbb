/* Bodies that are not sent at once: slow ones and huge ones. */
#ifndef STANDIN_STREAM_H
#define STANDIN_STREAM_H

#include "standin/reply.h"
#include "standin/waiting.h"

/* Takes the body of @reply, whose kind says how it is to be sent. Returns NULL on failure. */
struct MHD_Response *stream_new(struct waiting *waiting, struct MHD_Connection *connection,
                                struct reply *reply);

#endif
