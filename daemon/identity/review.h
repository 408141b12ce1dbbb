/*
 * TokenReview: the API server's word that a token still counts. Its signature does not tell that
 * the pod, or the service account, has been deleted since.
 *
 * Asked before an exchange (TokenReview=miss), or whenever the latest answer is older than an
 * interval, on hits too. Without an answer the token does not count.
 */
#ifndef REVIEW_H
#define REVIEW_H

#include "base/waiters.h"
#include "exchange/exchanger_client.h"
#include "message/refusal.h"

struct identity;

/* Of one identity; zeroed at first. */
struct review {
    struct job job;
    struct list waiters;
    bool is_under_way;
    uint64_t good_usec;     /* when the latest good answer came; 0: there is none */
    uint64_t failed_usec;   /* when the latest bad one came, or none did; 0: never */
    struct refusal refusal; /* why it failed */
};

/* Whether @identity has to be reviewed before it is served, or, @is_miss, before an exchange. */
bool review_is_needed(const struct identity *identity, bool is_miss, uint64_t now_usec);

/*
 * Begins a review, or joins the one under way. Returns true if @waiter waits; it is never woken
 * from here, and review_is_needed() tells what came of it. False: a review has failed just now,
 * which @ret_refusal explains.
 */
bool review_wait(struct identity *identity, struct waiter *waiter, struct refusal *ret_refusal);

/* Where the latest answer will soon be too old: asks behind, so that nobody has to wait. */
void review_ahead(struct identity *identity, uint64_t now_usec);

/* At the end: nobody waits any more. */
void review_cancel(struct identity *identity);

#endif
