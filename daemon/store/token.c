#include "store/token.h"

#include <string.h>

#include "base/digest.h"
#include "protocol/messages.h"

#define FRAME_OF_KEYS   0x7f
#define MARGIN_MIN_USEC SECOND_USEC /* upstreams count in whole seconds, and round down */
#define MARGIN_MAX_USEC (5 * SECOND_USEC)

void token_done(struct token *token)
{
    secret_free(token->frame);
    *token = (struct token){0};
}

static uint64_t margin_usec(const struct token *token)
{
    uint64_t tenth = token_lifetime_usec(token) / 10;

    if (tenth < MARGIN_MIN_USEC)
        return MARGIN_MIN_USEC;
    return tenth < MARGIN_MAX_USEC ? tenth : MARGIN_MAX_USEC;
}

static uint64_t wall_left_usec(const struct token *token, struct now now)
{
    return token->expires_s > now.wall_s ? (uint64_t)(token->expires_s - now.wall_s) * SECOND_USEC
                                         : 0;
}

static uint64_t boot_left_usec(const struct token *token, struct now now)
{
    return token->expires_boot_usec > now.boot_usec ? token->expires_boot_usec - now.boot_usec : 0;
}

uint64_t token_left_usec(const struct token *token, struct now now)
{
    uint64_t wall = wall_left_usec(token, now), boot = boot_left_usec(token, now);
    uint64_t left = wall < boot ? wall : boot, margin = margin_usec(token);

    return left > margin ? left - margin : 0;
}

static bool frame_read(const struct secret *frame, struct message_token *ret_message)
{
    struct wire_header header;

    if (frame->len < WIRE_HEADER_SIZE)
        return false;
    wire_header_read(frame->bytes, &header);
    return header.type == MESSAGE_TOKEN && header.payload_len == frame->len - WIRE_HEADER_SIZE &&
           wire_decode(&message_token, frame->bytes + WIRE_HEADER_SIZE, header.payload_len,
                       ret_message) == 0;
}

static bool frame_holds_keys(const struct secret *frame)
{
    struct wire_header header;

    if (frame->len < WIRE_HEADER_SIZE)
        return false;
    wire_header_read(frame->bytes, &header);
    return header.type == FRAME_OF_KEYS && header.payload_len == frame->len - WIRE_HEADER_SIZE;
}

bool token_frame_is_sound(const struct secret *frame, int64_t expires_s)
{
    struct message_token message;

    return frame_holds_keys(frame) ||
           (frame_read(frame, &message) && (int64_t)message.expires_at_s == expires_s);
}

struct secret *token_frame_of_keys(const void *text, size_t len)
{
    struct secret *frame = secret_alloc(WIRE_HEADER_SIZE + len);

    if (!frame)
        return NULL;
    wire_header_write(frame->bytes, (uint32_t)len, FRAME_OF_KEYS, 0);
    memcpy(frame->bytes + WIRE_HEADER_SIZE, text, len);
    return frame;
}

bool token_holds_keys(const struct token *token)
{
    return frame_holds_keys(token->frame);
}

struct wire_bytes token_keys(const struct token *token)
{
    return wire_bytes(token->frame->bytes + WIRE_HEADER_SIZE, token->frame->len - WIRE_HEADER_SIZE);
}

int token_redate(struct token *token, struct now now)
{
    int64_t lifetime_s = token->expires_s - token->created_s;
    int64_t expires_s = now.wall_s + (int64_t)(boot_left_usec(token, now) / SECOND_USEC);
    struct message_token message;
    struct secret *frame;
    size_t len;

    if (expires_s + 1 >= token->expires_s) /* a second is lost by rounding */
        return 0;
    if (!frame_read(token->frame, &message))
        return -EBADMSG;
    frame = secret_alloc(token->frame->len); /* a u64 takes as many bytes as before */
    if (!frame)
        return -ENOMEM;
    message.expires_at_s = (uint64_t)expires_s;
    if (wire_encode(&message_token, 0, &message, frame->bytes, frame->len, &len) < 0 ||
        len != frame->len) {
        secret_free(frame);
        return -EBADMSG;
    }
    secret_free(token->frame);
    token->frame = frame;
    token->expires_s = expires_s;
    token->created_s = expires_s - lifetime_s;
    return 1;
}

uint64_t token_fingerprint(const struct token *token)
{
    const struct secret *frame = token->frame;
    struct message_token message;
    struct digest digest;
    uint64_t fingerprint = 0;

    if (wire_decode(&message_token, frame->bytes + WIRE_HEADER_SIZE, frame->len - WIRE_HEADER_SIZE,
                    &message) < 0 ||
        digest_of(message.token.at, message.token.len, &digest) < 0)
        return 0;
    for (size_t i = 0; i < sizeof(fingerprint); i++)
        fingerprint = fingerprint << 8 | digest.bytes[i];
    return fingerprint;
}
