/*
 * TokenReview: whether the API server still accepts a token. Its signature does not show that the
 * pod or the service account has been deleted since.
 *
 * A token is reviewed before an exchange (TokenReview=miss), or whenever the latest answer is older
 * than an interval, for hits too. If there is no answer, the token is not accepted.
 */
#ifndef IDENTITY_REVIEW_H
#define IDENTITY_REVIEW_H

#include "base/waiters.h"
#include "exchange/exchanger_client.h"
#include "message/refusal.h"

struct identity;

/* The reviews of one identity, created by the first one. */
struct review {
    struct identity *identity;
    struct job job;
    struct list waiters;
    bool is_under_way;
    uint64_t good_usec;     /* of the latest acceptance; 0: none, or refused since */
    uint64_t failed_usec;   /* of the latest failure or refusal; 0: none, or accepted since */
    struct refusal refusal; /* why the latest review failed */
};

/*
 * Returns whether @identity must be reviewed before it is served; or, if @is_miss, before its JWT
 * is exchanged.
 */
bool review_is_needed(const struct identity *identity, bool is_miss, uint64_t now_usec);

/*
 * Starts a review, or joins the one under way.
 *
 * Returns true if @waiter waits. It is never woken from here; afterwards, review_is_needed() tells
 * the result. Returns false, with the reason in @ret_refusal, if the latest review failed a moment
 * ago or none can be started.
 */
bool review_wait(struct identity *identity, struct waiter *waiter, struct refusal *ret_refusal);

/*
 * Starts a review in the background if the latest answer will soon be too old, so that no request
 * has to wait for it.
 */
void review_ahead(struct identity *identity, uint64_t now_usec);

/* Cancels the review, without waking anyone: at shutdown, when nothing waits any more. */
void review_cancel(struct identity *identity);

#endif
