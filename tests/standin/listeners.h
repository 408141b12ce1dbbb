/* The table of the listeners: name, port option, certificate and service of each. */
#ifndef STANDIN_LISTENERS_H
#define STANDIN_LISTENERS_H

#include <stdint.h>

#include "standin/ca.h"
#include "standin/listener.h"

/* In the order in which they start. */
enum listener_id {
    LISTENER_ISSUER,
    LISTENER_UPSTREAM,
    LISTENER_UNTRUSTED, /* serves the same as the upstream, with a self-signed certificate */
    LISTENER_CONTROL,   /* last, so that the others are ready when it answers */
    LISTENERS,
};

struct listener_kind {
    const char *name;        /* the member of standin.json that has its URL */
    const char *port_option; /* on the command line; NULL: the kernel always chooses the port */
    enum certificate_kind certificate;
    const char *path;          /* of its URL */
    enum listener_id fault_of; /* the listener whose fault applies */
    const struct service *service;
};
extern const struct listener_kind listener_kinds[LISTENERS];

/*
 * Starts all listeners, and says which one could not start.
 *
 * @ports: 0 lets the kernel choose.
 * @ca:    has to outlive the listeners.
 *
 * Returns 0 or -errno; the caller then calls listeners_stop() in both cases.
 */
int listeners_start(struct standin *standin, const uint16_t ports[LISTENERS], const struct ca *ca);
void listeners_stop(struct standin *standin);

#endif
