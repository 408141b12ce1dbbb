/* The stand-in's listeners, as one table: what they are called, what they serve, and with what. */
#ifndef STANDIN_LISTENERS_H
#define STANDIN_LISTENERS_H

#include <stdint.h>

#include "standin/ca.h"
#include "standin/listener.h"

/* In the order in which they start. */
enum listener_id {
    LISTENER_ISSUER,
    LISTENER_UPSTREAM,
    LISTENER_UNTRUSTED, /* a man in the middle: the upstream without a certificate of the CA */
    LISTENER_CONTROL,   /* last, so that a client that reaches it can rely on the others */
    LISTENERS,
};

struct listener_kind {
    const char *name;        /* the member of standin.json that has its URL */
    const char *port_option; /* on the command line; NULL: the kernel always chooses the port */
    enum certificate_kind certificate;
    const char *path;          /* of its URL */
    enum listener_id fault_of; /* the listener whose faults apply to it */
    const struct service *service;
};
extern const struct listener_kind listener_kinds[LISTENERS];

/*
 * Starts all listeners.
 *
 * @ports: 0 lets the kernel choose.
 * @ca:    has to outlive the listeners.
 *
 * Returns 0 or -errno; listeners_stop() has to follow in both cases.
 */
int listeners_start(struct standin *standin, const uint16_t ports[LISTENERS], const struct ca *ca);
void listeners_stop(struct standin *standin);

#endif
