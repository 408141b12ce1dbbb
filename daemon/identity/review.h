/*
 * TokenReview: the API server's word that a token still counts. Its signature does not tell that
 * the pod, or the service account, has been deleted since.
 *
 * Asked before an exchange (TokenReview=miss), or whenever the latest answer is older than an
 * interval, on hits too. Without an answer the token does not count.
 */
#ifndef REVIEW_H
#define REVIEW_H

#include "base/failure.h"
#include "config/config.h"
#include "exchange/exchanger_client.h"
#include "protocol/podlogin-status.h"

struct identity;

/* Of one identity; zeroed at first. */
struct review {
    struct job job;
    struct list waiters;
    bool is_under_way;
    uint64_t good_usec;          /* when the latest good answer came; 0: there is none */
    uint64_t failed_usec;        /* when the latest bad one came, or none did; 0: never */
    enum podlogin_status status; /* why it failed */
    char detail[FAILURE_DETAIL_MAX];
};

/* Embedded in its owner. */
struct review_waiter {
    struct list node; /* linked to itself: waits for nothing */
    void (*on_review)(struct review_waiter *waiter);
};

/* Whether @identity has to be reviewed before it is served, or, @is_miss, before an exchange. */
bool review_is_needed(const struct identity *identity, bool is_miss, uint64_t now_usec);

/*
 * Begins a review, or joins the one under way. True: the waiter is called, never from here; then
 * review_is_needed() tells anew. False: it has failed just now; *ret_status and *ret_detail say
 * why.
 */
bool review_wait(struct identity *identity, struct review_waiter *waiter,
                 enum podlogin_status *ret_status, const char **ret_detail);

/* Where the latest answer will soon be too old: asks behind, so that nobody has to wait. */
void review_ahead(struct identity *identity, uint64_t now_usec);

/* At the end: nobody waits any more. */
void review_cancel(struct identity *identity);

void review_leave(struct review_waiter *waiter);

#endif
