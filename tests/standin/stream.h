/* Bodies that are generated while they are sent: slow ones and huge ones. */
#ifndef STANDIN_STREAM_H
#define STANDIN_STREAM_H

#include "standin/reply.h"
#include "standin/wait_queue.h"

/* Takes the body of @reply, whose kind is REPLY_SLOW or REPLY_HUGE. Returns NULL on failure. */
struct MHD_Response *stream_new(struct wait_queue *queue, struct MHD_Connection *connection,
                                struct reply *reply);

#endif
