#include "standin/stream.h"

#include <string.h>

#include "standin/memory.h"

#define SLOW_BYTE_MS 100
#define HUGE_BYTES   (64 * 1024 * 1024)
#define BLOCK_BYTES  (16 * 1024)

struct stream {
    struct wait_queue *wait_queue;
    struct wait wait;
    char *body;
    size_t body_bytes;
    bool has_waited; /* before the next byte */
};

static ssize_t read_slow(void *userdata, uint64_t position, char *buffer, size_t max)
{
    struct stream *stream = userdata;
    bool is_suspended;

    (void)max;
    if (position >= stream->body_bytes)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (stream->has_waited || position == 0) {
        stream->has_waited = false;
        *buffer = stream->body[position];
        return 1;
    }
    stream->has_waited = true;
    pthread_mutex_lock(stream->wait_queue->lock);
    is_suspended = wait_queue_suspend(stream->wait_queue, &stream->wait, SLOW_BYTE_MS, NULL);
    pthread_mutex_unlock(stream->wait_queue->lock);
    return is_suspended ? 0 : MHD_CONTENT_READER_END_WITH_ERROR;
}

/* Begins like a correct answer, so that only a size limit makes a client reject it. */
static ssize_t read_huge(void *userdata, uint64_t position, char *buffer, size_t max)
{
    static const char start[] = "{\"access_token\":\"pul-";

    (void)userdata;
    if (position >= HUGE_BYTES)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (max > HUGE_BYTES - position)
        max = HUGE_BYTES - position;
    memset(buffer, 'A', max);
    for (size_t i = 0; position + i < sizeof(start) - 1 && i < max; i++)
        buffer[i] = start[position + i];
    return (ssize_t)max;
}

static void stream_free(void *userdata)
{
    struct stream *stream = userdata;

    free(stream->body);
    free(stream);
}

struct MHD_Response *stream_new(struct wait_queue *queue, struct MHD_Connection *connection,
                                struct reply *reply)
{
    struct stream *stream = must_alloc(sizeof(*stream));

    stream->wait_queue = queue;
    stream->wait.connection = connection;
    stream->body = TAKE_PTR(reply->body);
    stream->body_bytes = reply->body_bytes;
    if (reply->kind == REPLY_SLOW)
        return MHD_create_response_from_callback(stream->body_bytes, 1, read_slow, stream,
                                                 stream_free);
    return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_huge, stream,
                                             stream_free);
}
