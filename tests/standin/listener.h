/* One HTTP or HTTPS listener on loopback. */
#ifndef STANDIN_LISTENER_H
#define STANDIN_LISTENER_H

#include <microhttpd.h>
#include <stdatomic.h>
#include <stdint.h>

struct certificate;
struct fault;
struct service;
struct standin;

struct listener {
    struct standin *standin;
    const struct service *service;
    struct fault *fault; /* read and changed under the lock */
    struct MHD_Daemon *daemon;
    uint16_t port;
    char *url;
    atomic_ullong connections; /* accepted since the start or the latest reset */
};

/*
 * Starts to listen on 127.0.0.1.
 *
 * @listener:    its standin, service and fault are set.
 * @port:        0 lets the kernel choose; listener->port tells the result.
 * @certificate: its texts are NULL for plain HTTP; has to outlive the listener.
 *
 * Returns 0, or -EADDRINUSE for any error of libmicrohttpd.
 */
int listener_start(struct listener *listener, uint16_t port, const struct certificate *certificate);

/* wait_queue_stop() has to come first. */
void listener_stop(struct listener *listener);

#endif
