/*
 * An upstream at run time: one per endpoint, whatever services go there. Its breaker, what it said
 * when it failed last, and the logins that wait for the breaker to let them through.
 */
#ifndef UPSTREAM_H
#define UPSTREAM_H

#include "base/list.h"
#include "broker/breaker.h"
#include "config/config.h"
#include "message/refusal.h"

struct upstream {
    struct list node;
    struct digest digest; /* service->upstream */
    char *endpoint;
    struct breaker breaker;
    unsigned n_flights;     /* that refer to it */
    struct list queued;     /* struct login, by its node "queued" */
    struct refusal refusal; /* for requests while the breaker is open */
};

/* The one of @service, made if it is not among @upstreams. NULL: out of memory. */
struct upstream *upstream_find(struct list *upstreams, const struct service *service);

/* An exchange has ended. Logs when the breaker opens or closes. */
void upstream_report(struct upstream *upstream, struct breaker_pass pass, enum outcome outcome,
                     const char *detail, uint32_t retry_after_ms, uint64_t now_usec);

/* Forgets those that nothing goes on with, and that they failed. */
void upstreams_forget(struct list *upstreams);
void upstreams_done(struct list *upstreams);

/* What a client is told of a failure. */
enum podlogin_status status_of_outcome(enum outcome outcome);

#endif
