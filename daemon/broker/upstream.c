/* The list of upstreams, and what is logged and told about a failing one. */
#include "broker/upstream.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

enum podlogin_status status_of_outcome(enum outcome outcome)
{
    switch (outcome) {
    case OUTCOME_OK:
        return PODLOGIN_OK;
    case OUTCOME_REFUSED:
    case OUTCOME_MISCONFIGURED:
        return PODLOGIN_UPSTREAM_REFUSED;
    case OUTCOME_THROTTLED:
        return PODLOGIN_BUSY;
    case OUTCOME_UNAVAILABLE:
    case OUTCOME_UNTRUSTED:
        return PODLOGIN_UPSTREAM_UNAVAILABLE;
    case OUTCOME_MALFORMED:
        return PODLOGIN_UPSTREAM_PROTOCOL;
    case OUTCOMES:
        break;
    }
    return PODLOGIN_INTERNAL;
}

static struct upstream *upstream_free(struct upstream *upstream)
{
    assert(!upstream->n_flights && list_is_empty(&upstream->queued));
    list_remove(&upstream->node);
    free(upstream->endpoint);
    free(upstream);
    return NULL;
}

static struct upstream *upstream_new(struct list *upstreams, const struct service *service)
{
    struct upstream *upstream = calloc(1, sizeof(*upstream));

    if (!upstream)
        return NULL;
    upstream->digest = service->upstream;
    breaker_init(&upstream->breaker);
    list_init(&upstream->queued);
    list_append(upstreams, &upstream->node);
    upstream->endpoint = strdup(service->endpoint);
    return upstream->endpoint ? upstream : upstream_free(upstream);
}

struct upstream *upstream_find(struct list *upstreams, const struct service *service)
{
    for (struct list *node = upstreams->next; node != upstreams; node = node->next) {
        struct upstream *upstream = container_of(node, struct upstream, node);

        if (memcmp(&upstream->digest, &service->upstream, sizeof(upstream->digest)) == 0)
            return upstream;
    }
    return upstream_new(upstreams, service);
}

/* What requests are told while exchanges are spaced is not what failed before. */
static void log_closed(struct upstream *upstream, uint64_t interval_usec)
{
    unsigned interval_s = (unsigned)(interval_usec / SECOND_USEC);

    if (!interval_usec) {
        log_notice("upstream %s: answering again, circuit breaker closed", upstream->endpoint);
        return;
    }
    refusal_set(&upstream->refusal, PODLOGIN_BUSY,
                "the upstream answers again; exchanges are %u s apart at first", interval_s);
    log_notice("upstream %s: answering again, circuit breaker closed; exchanges are %u s apart",
               upstream->endpoint, interval_s);
}

void upstream_report(struct upstream *upstream, struct breaker_pass pass, enum outcome outcome,
                     const char *detail, uint32_t retry_after_ms, uint64_t now_usec)
{
    struct breaker *breaker = &upstream->breaker;
    bool was_closed = !breaker->open_until_usec;
    unsigned n_opened = breaker->n_opened;
    bool is_closed;

    breaker_end(breaker, pass, outcome, retry_after_ms, now_usec);
    is_closed = !breaker->open_until_usec;
    if (!is_closed && (was_closed || pass.is_probe || n_opened != breaker->n_opened)) {
        refusal_set(&upstream->refusal, status_of_outcome(outcome), "%s", detail);
        /* once for the whole outage; but each time if the server is not trusted */
        if (was_closed || outcome == OUTCOME_UNTRUSTED)
            log_line(outcome == OUTCOME_UNTRUSTED ? LOG_ERR : LOG_WARNING,
                     "upstream %s: circuit breaker open, probing only: %s", upstream->endpoint,
                     detail);
    }
    if (is_closed && !was_closed)
        log_closed(upstream, breaker_interval_usec(breaker, now_usec));
}

void upstreams_forget(struct list *upstreams)
{
    struct list *node = upstreams->next;

    while (node != upstreams) {
        struct upstream *upstream = container_of(node, struct upstream, node);

        node = node->next;
        if (!upstream->n_flights)
            upstream_free(upstream);
    }
}

void upstreams_done(struct list *upstreams)
{
    while (!list_is_empty(upstreams))
        upstream_free(container_of(upstreams->next, struct upstream, node));
}
