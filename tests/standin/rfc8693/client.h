/* Who the client of a token endpoint says it is (RFC 6749, section 2.3). */
#ifndef STANDIN_RFC8693_CLIENT_H
#define STANDIN_RFC8693_CLIENT_H

#include "standin/exchange.h"

struct client {
    const char *authentication; /* "none", "client_secret_basic" or "client_secret_post" */
    char *id;                   /* or NULL */
    char *secret;               /* or NULL */
};

/* Reads the client from the header Authorization or the parameters, but not from both. */
struct refusal client_read(const struct exchange *exchange, struct client *ret_client);

void client_done(struct client *client);

#endif
