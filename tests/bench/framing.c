#include "bench/framing.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/messages.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(*(array)))

#define SSH_HEADER             5
#define SSH_IDENTITIES_ANSWER  12
#define MUNGE_HEADER           11
#define MUNGE_TYPE_AT          5
#define MUNGE_ENCODED          3
#define MUNGE_LEN_AT           7
#define HTTP2_HEADER           9
#define HTTP2_STREAM_AT        5
#define HTTP2_DATA             0
#define HTTP2_HEADERS          1
#define HTTP2_RST_STREAM       3
#define HTTP2_GOAWAY           7
#define HTTP2_END_STREAM       1
#define GRPC_MESSAGE_LEN_BYTES 5

static uint32_t read_u32(const uint8_t *bytes)
{
    uint32_t value;

    memcpy(&value, bytes, sizeof(value));
    return be32toh(value);
}

static long whole(size_t answer_len, size_t len)
{
    return answer_len <= len ? (long)answer_len : 0;
}

static long podlogin_answer_len(const uint8_t *bytes, size_t len)
{
    struct wire_header header;

    if (len < WIRE_HEADER_SIZE)
        return 0;
    wire_header_read(bytes, &header);
    return header.type == MESSAGE_TOKEN ? whole(WIRE_HEADER_SIZE + header.payload_len, len)
                                        : -EBADMSG;
}

/* RFC 9112. Only with Content-Length, as all of these servers send it for short bodies. */
static long http_answer_len(const uint8_t *bytes, size_t len)
{
    static const char name[] = "\r\ncontent-length:", ok[] = "HTTP/1.1 200";
    const uint8_t *end = memmem(bytes, len, "\r\n\r\n", 4);

    if (len >= sizeof(ok) - 1 && memcmp(bytes, ok, sizeof(ok) - 1) != 0)
        return -EBADMSG;
    if (!end)
        return 0;
    for (const uint8_t *at = bytes; at < end; at++)
        if (*at == '\r' && strncasecmp((const char *)at, name, sizeof(name) - 1) == 0)
            return whole((size_t)(end + 4 - bytes) +
                             strtoul((const char *)at + sizeof(name) - 1, NULL, 10),
                         len);
    return -EBADMSG;
}

/* A bulk string: its length, and the string. */
static long resp_answer_len(const uint8_t *bytes, size_t len)
{
    const uint8_t *end = memmem(bytes, len, "\r\n", 2);

    if (bytes[0] != '$' || (end && bytes[1] == '-'))
        return -EBADMSG;
    return end ? whole((size_t)(end + 2 - bytes) + strtoul((const char *)bytes + 1, NULL, 10) + 2,
                       len)
               : 0;
}

static long ssh_answer_len(const uint8_t *bytes, size_t len)
{
    if (len < SSH_HEADER)
        return 0;
    return bytes[4] == SSH_IDENTITIES_ANSWER ? whole(4 + read_u32(bytes), len) : -EBADMSG;
}

/* After the header comes the number of an error, 0 if there is none. */
static long munge_answer_len(const uint8_t *bytes, size_t len)
{
    if (len <= MUNGE_HEADER)
        return 0;
    if (bytes[MUNGE_TYPE_AT] != MUNGE_ENCODED || bytes[MUNGE_HEADER] != 0)
        return -EBADMSG;
    return whole(MUNGE_HEADER + read_u32(bytes + MUNGE_LEN_AT), len);
}

/* JSON without any frame; its values contain no brace. */
static long oidc_agent_answer_len(const uint8_t *bytes, size_t len)
{
    static const char ok[] = "{\"status\":\"success\"";

    if (len >= sizeof(ok) - 1 && memcmp(bytes, ok, sizeof(ok) - 1) != 0)
        return -EBADMSG;
    return bytes[len - 1] == '}' ? (long)len : 0;
}

static size_t http2_frame_len(const uint8_t *frame)
{
    return HTTP2_HEADER + (read_u32(frame) >> 8);
}

static bool has_stream(const uint8_t *frame)
{
    return read_u32(frame + HTTP2_STREAM_AT) != 0;
}

/* The message is in the frames of data, and trailers end the answer; without a message, they tell
 * an error. Frames of the connection itself are passed over: a PING that is not answered costs the
 * server less than one that is. */
static long grpc_answer_len(const uint8_t *bytes, size_t len)
{
    size_t at = 0, data = 0;

    while (len - at >= HTTP2_HEADER && len - at >= http2_frame_len(bytes + at)) {
        const uint8_t *frame = bytes + at;
        size_t frame_len = http2_frame_len(frame);

        if (frame[3] == HTTP2_RST_STREAM || frame[3] == HTTP2_GOAWAY)
            return -EBADMSG;
        if (frame[3] == HTTP2_DATA)
            data += frame_len - HTTP2_HEADER;
        at += frame_len;
        if (frame[3] == HTTP2_HEADERS && has_stream(frame) && frame[4] & HTTP2_END_STREAM)
            return data > GRPC_MESSAGE_LEN_BYTES ? (long)at : -EBADMSG;
    }
    return 0;
}

/* All frames of a request belong to its stream; those of a client have odd numbers. */
static void grpc_set_number(uint8_t *request, size_t len, uint32_t number)
{
    uint32_t stream = htobe32(2 * number + 1);

    for (size_t at = 0; at + HTTP2_HEADER <= len; at += http2_frame_len(request + at))
        memcpy(request + at + HTTP2_STREAM_AT, &stream, sizeof(stream));
}

const struct framing *framing_find(const char *name)
{
    static const struct framing framings[] = {
        {"podlogin", podlogin_answer_len, NULL},
        {"http", http_answer_len, NULL},
        {"resp", resp_answer_len, NULL},
        {"ssh-agent", ssh_answer_len, NULL},
        {"munge", munge_answer_len, NULL},
        {"oidc-agent", oidc_agent_answer_len, NULL},
        {"grpc", grpc_answer_len, grpc_set_number},
    };

    for (size_t i = 0; i < COUNT_OF(framings); i++)
        if (strcmp(framings[i].name, name) == 0)
            return &framings[i];
    return NULL;
}
