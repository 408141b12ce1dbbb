/* A token as it is cached and served, and its lifetime by both clocks. */
#ifndef BROKER_TOKEN_H
#define BROKER_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/secret.h"
#include "broker/environment.h"
#include "exchange/job.h"
#include "store/record.h"

struct token {
    struct secret *frame; /* the answer to a GET with source "cache", complete except for its id */
    int64_t created_s;    /* when the exchange was sent, by the wall clock */
    int64_t expires_s;
    uint64_t expires_boot_usec; /* the same expiry by the boot clock */
    uint64_t fingerprint;       /* the first 64 bits of the access token's SHA-256 */
};

/*
 * Builds a token from the result of an exchange that was sent at @asked_usec of the boot clock.
 *
 * @environment: of the service.
 * @ret_token: set on success only; the caller releases it with token_done().
 *
 * Returns 0; -EINVAL if the result does not fit into an answer; -ENOMEM.
 */
int token_from_result(const struct job_result *result, const struct environment *environment,
                      uint64_t asked_usec, struct token *ret_token);

/*
 * Takes over the bytes of @record. Returns 0; or -EBADMSG, and releases them, if they are not an
 * answer to a GET with the record's expiry, or if memory ran out.
 */
int token_from_record(struct record *record, struct token *ret_token);

/* Returns the record to store for @token; the bytes still belong to the token. */
struct record token_record(const struct token *token);

/* Wipes and frees the token's bytes, and zeroes it. */
void token_done(struct token *token);

/* Returns the lifetime that the upstream granted. */
static inline uint64_t token_lifetime_usec(const struct token *token)
{
    return (uint64_t)(token->expires_s - token->created_s) * SECOND_USEC;
}

/*
 * Returns how much longer the token can be handed out: until the earlier of its two expiries, minus
 * a margin for its way to the program that uses it. The margin is a tenth of the lifetime, but at
 * least one second and at most five.
 */
uint64_t token_left_usec(const struct token *token, struct now now);

/*
 * Restates the expiry by the current wall clock, after it was set back. Returns 1 if the token was
 * changed; 0 if it was not necessary; or -errno.
 */
int token_redate(struct token *token, struct now now);

#endif
