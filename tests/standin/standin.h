/* The shared state of all listeners. The lock guards it unless a comment says otherwise. */
#ifndef STANDIN_STANDIN_H
#define STANDIN_STANDIN_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "standin/counts.h"
#include "standin/fault.h"
#include "standin/issuer.h"
#include "standin/keys.h"
#include "standin/listeners.h"
#include "standin/pulumi/pulumi.h"
#include "standin/tokens.h"
#include "standin/trust.h"
#include "standin/wait_queue.h"

struct standin {
    pthread_mutex_t lock;
    atomic_bool is_stopping;
    struct keyring keyring;
    struct wait_queue wait_queue;
    struct issuer issuer;
    struct pulumi pulumi;
    struct tokens tokens; /* that all upstreams issued since the start */
    json_t *admissions;   /* who may log in, but at Pulumi Cloud */
    json_t *calls;        /* an array: what upstreams were asked but for logins */
    struct trust trust;
    struct counts counts;
    json_t *last_exchange; /* the latest exchange on the wire, or null */
    struct fault faults[LISTENERS];
    struct listener listeners[LISTENERS];
};

/* Constant from the first request on, so readable without the lock. */
static inline const char *issuer_url(const struct standin *standin)
{
    return standin->listeners[LISTENER_ISSUER].url;
}

#endif
