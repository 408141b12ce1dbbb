/*
 * An upstream at run time: one for each endpoint and set of certificates that it is verified with,
 * shared by all services that use them. It has the circuit breaker, the latest failure, and the
 * exchanges that wait for the breaker.
 */
#ifndef BROKER_UPSTREAM_H
#define BROKER_UPSTREAM_H

#include "base/list.h"
#include "broker/breaker.h"
#include "config/config.h"
#include "message/refusal.h"

struct upstream {
    struct list node;
    struct digest digest; /* service->upstream */
    char *endpoint;
    struct breaker breaker;
    unsigned n_flights;     /* flights that refer to it */
    struct list queued;     /* struct flight, by its node "queued" */
    struct refusal refusal; /* what requests are told with BREAKER_LATER */
};

/* Returns the upstream of @service, created if it is not among @upstreams; NULL: out of memory. */
struct upstream *upstream_find(struct list *upstreams, const struct service *service);

/* Ends an exchange for the breaker. Logs when the breaker opens or closes. */
void upstream_report(struct upstream *upstream, struct breaker_pass pass, enum outcome outcome,
                     const char *detail, uint32_t retry_after_ms, uint64_t now_usec);

/* Frees upstreams without flights, and with them the state of their breakers. */
void upstreams_forget(struct list *upstreams);

/* Frees all upstreams. */
void upstreams_done(struct list *upstreams);

/* Returns the status that a client is told for an outcome. */
enum podlogin_status status_of_outcome(enum outcome outcome);

#endif
