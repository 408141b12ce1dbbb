/*
 * A server of HTTP on the loopback interface, which answers one question. It is for programs of the
 * same pod, and anybody in the pod can connect: so it answers nobody without the authorization, and
 * clients that are slow, or many, keep nobody else from being served.
 *
 * Each connection has one request, which is GET ENDPOINT_PATH without a body.
 */
#ifndef COMMAND_ENDPOINT_H
#define COMMAND_ENDPOINT_H

#include <stdint.h>

#include "text/text.h"

#define ENDPOINT_PATH        "/v1/credentials"
#define ENDPOINT_CLIENTS_MAX 64    /* connections at once: of more, the oldest is closed */
#define ENDPOINT_REQUEST_MAX 8192  /* bytes of a request */
#define ENDPOINT_REQUEST_MS  5000  /* how long a request may take to arrive */
#define ENDPOINT_BODY_MAX    65536 /* bytes of an answer's body */
#define ENDPOINT_KEY_SIZE    65    /* 256 random bits in hexadecimal, with a NUL */

struct endpoint {
    int listener;
    uint16_t port;
    char key[ENDPOINT_KEY_SIZE]; /* what clients send as Authorization */

    /* Appends the body of an answer, and returns its HTTP status. May block. */
    unsigned (*answer)(void *context, struct text *body);
    void *context;
};

/* Listens at a free port of 127.0.0.1, with a new key. Returns 0 or -errno. */
int endpoint_open(struct endpoint *endpoint);

/* Answers until the process @owner, which is the parent, has ended. */
void endpoint_serve(const struct endpoint *endpoint, int owner);

#endif
