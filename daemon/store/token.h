/* A token as it is kept and served, and how long it lives, by both clocks. */
#ifndef TOKEN_H
#define TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/secret.h"
#include "protocol/wire.h"

struct token {
    struct secret *frame; /* the answer to a GET, source "cache", ready but for its id */
    int64_t created_s;    /* when it was asked for, by the wall clock */
    int64_t expires_s;
    uint64_t expires_boot_usec; /* the same moment by the boot clock */
    uint64_t fingerprint;       /* of the access token in it, for the audit trail */
};

void token_done(struct token *token);

/* What the upstream gave it. */
static inline uint64_t token_lifetime_usec(const struct token *token)
{
    return (uint64_t)(token->expires_s - token->created_s) * SECOND_USEC;
}

/*
 * How long it can still be handed out: until the earlier of its two expiries, less a margin for the
 * way to whoever uses it, of five seconds or, with a short-lived one, a tenth of its lifetime and a
 * second at least.
 */
uint64_t token_left_usec(const struct token *token, struct now now);

/*
 * After the wall clock was set back: the same expiry as it is told now. 1: the token was changed;
 * 0: there was no need; -errno.
 */
int token_redate(struct token *token, struct now now);

/* The first 64 bits of the access token's SHA-256; 0: it cannot be had. */
uint64_t token_fingerprint(const struct token *token);

/*
 * Whether @frame could have been sent as an answer, and says that it expires at @expires_s; or
 * holds keys, and could not.
 */
bool token_frame_is_sound(const struct secret *frame, int64_t expires_s);

/* An issuer's key set in the place of a token: a frame of a type that no client is sent. */
struct secret *token_frame_of_keys(const void *text, size_t len);
bool token_holds_keys(const struct token *token);
struct wire_bytes token_keys(const struct token *token);

#endif
