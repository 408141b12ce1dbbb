/* Building tokens from results and records, and computing their expiry by both clocks. */
#include "broker/token.h"

#include <errno.h>

#include "base/digest.h"
#include "broker/result.h"
#include "message/frame.h"
#include "protocol/messages.h"

#define MARGIN_MIN_USEC SECOND_USEC /* upstreams count in whole seconds and round down */
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

static int set_fingerprint(struct token *token, struct wire_bytes access_token)
{
    struct digest digest;

    if (digest_of(access_token.at, access_token.len, &digest) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < sizeof(token->fingerprint); i++)
        token->fingerprint = token->fingerprint << 8 | digest.bytes[i];
    return 0;
}

int token_from_result(const struct job_result *result, const struct environment *environment,
                      uint64_t asked_usec, struct token *ret_token)
{
    int64_t elapsed_usec = (int64_t)(clock_boot_usec() - asked_usec);
    int64_t created_s = (clock_wall_usec() - elapsed_usec) / (int64_t)SECOND_USEC;
    uint32_t lifetime_s = result_lifetime_s(result, created_s);
    const struct message_token message = {
        .token = result->token,
        .token_type = result->token_type,
        .expires_at_s = (uint64_t)created_s + lifetime_s,
        .source = TOKEN_SOURCE_CACHE,
        .variable = result->variable,
        .attributes = result->attributes,
        .directory = wire_string(environment->directory),
        .files = environment->files,
        .unset = environment->unset,
    };
    struct token token = {
        .created_s = created_s,
        .expires_s = (int64_t)message.expires_at_s,
        .expires_boot_usec = asked_usec + lifetime_s * SECOND_USEC,
    };
    int r = set_fingerprint(&token, result->token);

    if (r == 0)
        r = frame_new(&message_token, 0, &message, &token.frame);
    if (r < 0)
        return r;
    *ret_token = token;
    return 0;
}

int token_from_record(struct record *record, struct token *ret_token)
{
    struct token token = {
        .frame = TAKE_PTR(record->bytes),
        .created_s = record->created_s,
        .expires_s = record->expires_s,
        .expires_boot_usec = record->expires_boot_usec,
    };
    struct message_token message;

    if (frame_read(token.frame, &message_token, &message) < 0 ||
        (int64_t)message.expires_at_s != token.expires_s ||
        set_fingerprint(&token, message.token) < 0) {
        token_done(&token);
        return -EBADMSG;
    }
    *ret_token = token;
    return 0;
}

struct record token_record(const struct token *token)
{
    return (struct record){
        .bytes = token->frame,
        .created_s = token->created_s,
        .expires_s = token->expires_s,
        .expires_boot_usec = token->expires_boot_usec,
    };
}

int token_redate(struct token *token, struct now now)
{
    int64_t lifetime_s = token->expires_s - token->created_s;
    int64_t expires_s = now.wall_s + (int64_t)(boot_left_usec(token, now) / SECOND_USEC);
    struct message_token message;
    struct secret *frame;
    int r;

    if (expires_s + 1 >= token->expires_s) /* rounding loses up to a second */
        return 0;
    if (frame_read(token->frame, &message_token, &message) < 0)
        return -EBADMSG;
    message.expires_at_s = (uint64_t)expires_s;
    r = frame_new(&message_token, 0, &message, &frame);
    if (r < 0)
        return r;
    secret_free(token->frame);
    token->frame = frame;
    token->expires_s = expires_s;
    token->created_s = expires_s - lifetime_s;
    return 1;
}
