/* Reviews of tokens: when one is needed, and how long its result is used. */
#include "identity/review.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "config/config.h"
#include "identity/identity.h"
#include "identity/token_file.h"
#include "protocol/status.h"

#define MISS_GOOD_FOR_USEC (5 * SECOND_USEC) /* one review covers exchanges that start together */
#define REFUSED_FOR_USEC   (10 * SECOND_USEC)
#define FAILED_FOR_USEC    SECOND_USEC
#define RETRY_MS           1000
#define LOGGED_MAX         8 /* more issuers whose API servers fail are logged each time */

static const struct review_config *config_of(const struct identity *identity)
{
    static const struct review_config off = {.mode = REVIEW_OFF};

    return identity->issuer ? &identity->issuer->config->review : &off;
}

bool review_is_needed(const struct identity *identity, bool is_miss, uint64_t now_usec)
{
    const struct review_config *config = config_of(identity);
    uint64_t good_for_usec =
        config->mode == REVIEW_INTERVAL ? config->interval_s * SECOND_USEC : MISS_GOOD_FOR_USEC;

    if (config->mode == REVIEW_OFF || (config->mode == REVIEW_MISS && !is_miss))
        return false;
    return !identity->review || !identity->review->good_usec ||
           now_usec - identity->review->good_usec >= good_for_usec;
}

/* A failure that was logged, of the reviews of an issuer. The issuer may be gone when they end. */
struct logged {
    char issuer[513];
    char text[512];
};

static struct logged logged_failures[LOGGED_MAX];

/* Returns the entry of the issuer; or else a free one, or the last, if none is free. */
static struct logged *logged_of(const char *issuer)
{
    struct logged *free_one = &logged_failures[LOGGED_MAX - 1];

    for (size_t i = LOGGED_MAX; i-- > 0;) {
        if (strcmp(logged_failures[i].issuer, issuer) == 0)
            return &logged_failures[i];
        if (!logged_failures[i].issuer[0])
            free_one = &logged_failures[i];
    }
    return free_one;
}

/* Logs a failure once, until it changes or ends; @text "" is success. */
static void log_change(const struct identity *identity, const char *text)
{
    const char *issuer = identity->claims.issuer;
    struct logged *failure = logged_of(issuer);
    bool is_same = strcmp(failure->issuer, issuer) == 0;

    if (*text && !(is_same && strcmp(failure->text, text) == 0)) {
        log_warning("cannot review tokens of %.128s: %s", issuer, text);
        snprintf(failure->issuer, sizeof(failure->issuer), "%s", issuer);
        snprintf(failure->text, sizeof(failure->text), "%s", text);
    } else if (!*text && is_same) {
        log_notice("tokens of %.128s are reviewed again", issuer);
        *failure = (struct logged){0};
    }
}

static void on_reviewed(struct job *job, const struct job_result *result)
{
    struct review *review = container_of(job, struct review, job);
    struct identity *identity = review->identity;
    int len = (int)result->detail.len;
    const char *detail = (const char *)result->detail.at;

    assert(review->is_under_way); /* it holds the reference that is released below */
    review->is_under_way = false;
    if (result->outcome == OUTCOME_OK) {
        review->good_usec = clock_boot_usec();
        review->failed_usec = 0;
    } else {
        review->failed_usec = clock_boot_usec();
        refusal_set(&review->refusal,
                    result->outcome == OUTCOME_REFUSED ? PODLOGIN_TOKEN_REVOKED
                                                       : PODLOGIN_REVIEW_UNAVAILABLE,
                    "%.*s", len, detail);
    }
    if (result->outcome == OUTCOME_REFUSED)
        review->good_usec = 0;
    log_change(identity, result->outcome == OUTCOME_OK || result->outcome == OUTCOME_REFUSED
                             ? ""
                             : review->refusal.detail);
    waiters_wake(&review->waiters, NULL);
    identity_unref(identity);
}

static void cannot_begin(struct identity *identity, const char *detail, const char *logged)
{
    identity->review->failed_usec = clock_boot_usec();
    refusal_set(&identity->review->refusal, PODLOGIN_REVIEW_UNAVAILABLE, "%s", detail);
    log_change(identity, logged);
}

/* If it cannot, the review has failed. */
static void begin(struct identity *identity)
{
    const struct review_config *config = config_of(identity);
    struct review *review = identity->review;
    CLEANUP(secret_freep)
    struct secret *own = NULL;
    struct job_review job = {
        .api_server = wire_string(config->api_server),
        .ca_file = wire_string(config->ca_file),
        .subject_token = wire_bytes(identity->jwt->bytes, identity->jwt->len),
        .audience = wire_string(identity->claims.audiences[0]),
        .username = wire_string(identity->claims.subject),
        .uid = wire_string(identity->claims.serviceaccount_uid),
    };
    char reason[320];
    int r = token_file_read(config->token_file, &own);

    if (r < 0) {
        snprintf(reason, sizeof(reason), "cannot read APIServerTokenFile=%.200s: %s",
                 config->token_file, file_strerror(r));
        cannot_begin(identity, "the daemon cannot read its own token; see its log", reason);
        return;
    }
    job.own_token = wire_bytes(own->bytes, own->len);
    r = exchanger_client_submit(identity->issuer->exchanger, &review->job, &job_review, &job,
                                on_reviewed);
    if (r < 0) {
        cannot_begin(identity, strerror(-r), strerror(-r));
        return;
    }
    review->is_under_way = true;
    identity_ref(identity);
}

static bool has_failed_lately(const struct review *review, uint64_t now_usec)
{
    uint64_t for_usec =
        review->refusal.status == PODLOGIN_TOKEN_REVOKED ? REFUSED_FOR_USEC : FAILED_FOR_USEC;

    return review->failed_usec && now_usec - review->failed_usec < for_usec;
}

/* Returns the review, or NULL if memory runs out. */
static struct review *review_of(struct identity *identity)
{
    if (!identity->review) {
        identity->review = calloc(1, sizeof(*identity->review));
        if (!identity->review)
            return NULL;
        identity->review->identity = identity;
        list_init(&identity->review->waiters);
    }
    return identity->review;
}

bool review_wait(struct identity *identity, struct waiter *waiter, struct refusal *ret_refusal)
{
    struct review *review = review_of(identity);

    if (!review) {
        refusal_set_status(ret_refusal, PODLOGIN_INTERNAL);
        return false;
    }
    if (!review->is_under_way && !has_failed_lately(review, clock_boot_usec()))
        begin(identity);
    if (review->is_under_way) {
        waiter_wait(waiter, &review->waiters);
        return true;
    }
    *ret_refusal = review->refusal;
    if (status_info(ret_refusal->status)->is_retryable)
        ret_refusal->retry_after_ms = RETRY_MS;
    return false;
}

void review_ahead(struct identity *identity, uint64_t now_usec)
{
    const struct review_config *config = config_of(identity);
    struct review *review = identity->review; /* the request that was granted has made it */

    if (config->mode == REVIEW_INTERVAL && review && !review->is_under_way &&
        now_usec - review->good_usec >= config->interval_s * (SECOND_USEC / 5 * 4) &&
        !has_failed_lately(review, now_usec))
        begin(identity);
}

void review_cancel(struct identity *identity)
{
    if (!identity->review || !identity->review->is_under_way)
        return;
    job_cancel(&identity->review->job);
    identity->review->is_under_way = false;
    identity_unref(identity);
}
