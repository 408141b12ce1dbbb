/*
 * The token exchange of RFC 8693: the parameters and errors that all upstreams share, and the
 * subject token. What one upstream requires and grants is in its struct exchange_rules.
 */
#ifndef STANDIN_EXCHANGE_H
#define STANDIN_EXCHANGE_H

#include <jansson.h>
#include <stdbool.h>

#include "standin/reply.h"

struct request;
struct standin;

/*
 * The parameters of one request (RFC 8693, section 2.1). The strings belong to @fields; one that is
 * missing or not a string is NULL.
 */
struct exchange {
    const struct request *request;
    const json_t *fields; /* all parameters, for those that only one upstream knows */
    const char *subject_token;
    const char *subject_token_type;
    const char *requested_token_type;
    const char *audience;
    const char *scope;     /* "" when it is missing */
    json_int_t lifetime_s; /* of the access token, as requested; the upstream's check sets it */
    json_t *claims;        /* of the subject token; NULL until it is verified */
};

/* Why a request is refused (RFC 6749, section 5.2). Without an error it is not refused. */
struct refusal {
    unsigned status;
    const char *error;
    const char *description;
};

extern const struct refusal no_refusal;

struct refusal refusal_make(unsigned status, const char *error, const char *description);

/* The status 400 and the error "invalid_request". */
struct refusal refusal_of_request(const char *description);

/* The members of a successful response (RFC 8693, section 2.2.1). */
struct grant {
    const char *access_token; /* belongs to the upstream */
    const char *issued_token_type;
    const char *token_type;
    const char *scope;       /* NULL: not in the response */
    json_int_t expires_in_s; /* 0: not in the response */
};

/* One upstream's part of an exchange. */
struct exchange_rules {
    const char *bad_token; /* the error for a subject token that is not valid */

    /* Checks the parameters that the upstream defines, before the subject token is verified. */
    struct refusal (*check)(struct standin *standin, struct exchange *exchange);

    /*
     * Decides about the verified claims and issues an access token. The caller holds the lock.
     *
     * @ret_grant: set only when the exchange is not refused.
     */
    struct refusal (*grant)(struct standin *standin, const struct exchange *exchange,
                            struct grant *ret_grant);
};

/* Answers with an error of RFC 6749 or RFC 8693. Returns false when there is no such error. */
bool exchange_error(const char *name, struct reply *reply);

/* Answers a request whose body is parsed. Returns whether it issued a token. */
bool exchange_answer(struct standin *standin, const struct request *request,
                     const struct exchange_rules *rules, struct reply *reply);

#endif
