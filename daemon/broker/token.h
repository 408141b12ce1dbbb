/* A token as it is cached and served, and how long it lives, by both clocks. */
#ifndef TOKEN_H
#define TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/secret.h"
#include "exchange/job.h"
#include "store/record.h"

struct token {
    struct secret *frame; /* the answer to a GET, source "cache", ready but for its id */
    int64_t created_s;    /* when it was asked for, by the wall clock */
    int64_t expires_s;
    uint64_t expires_boot_usec; /* the same moment by the boot clock */
    uint64_t fingerprint;       /* the first 64 bits of the access token's SHA-256 */
};

/*
 * Builds the token that an exchange has given, which was asked for at @asked_usec of the boot
 * clock. Returns 0; -EINVAL if it cannot be passed on to clients; -ENOMEM.
 */
int token_from_result(const struct job_result *result, uint64_t asked_usec,
                      struct token *ret_token);

/*
 * Takes over @record's bytes. Returns 0, or -EBADMSG if they are not an answer to a GET with the
 * record's expiry: then they are released.
 */
int token_from_record(struct record *record, struct token *ret_token);

/* The record that keeps @token; its bytes remain the token's. */
struct record token_record(const struct token *token);

void token_done(struct token *token);

/* What the upstream gave it. */
static inline uint64_t token_lifetime_usec(const struct token *token)
{
    return (uint64_t)(token->expires_s - token->created_s) * SECOND_USEC;
}

/*
 * How long it can still be handed out: until the earlier of its two expiries, less a margin for the
 * way to the program that uses it, of five seconds or, if it is short-lived, a tenth of its
 * lifetime, and of a second at least.
 */
uint64_t token_left_usec(const struct token *token, struct now now);

/*
 * After the wall clock was set back: tells the same expiry by the clock as it is now. Returns 1 if
 * the token was changed, 0 if there was no need, or -errno.
 */
int token_redate(struct token *token, struct now now);

#endif
