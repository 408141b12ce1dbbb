/* Pulumi Cloud, as far as a login needs it: the token endpoint and the user endpoint. */
#ifndef STANDIN_PULUMI_H
#define STANDIN_PULUMI_H

#include <jansson.h>

#include "standin/tokens.h"

struct standin;
struct service;
struct request;

struct pulumi {
    json_t *policies;
    json_t *organizations; /* an array of names */
    json_int_t expires_in_max_s;
    size_t token_bytes;    /* issued tokens are at least as long */
    struct tokens tokens;  /* all that were ever issued */
    json_t *last_exchange; /* what the latest exchange looked like on the wire, or null */
};

void pulumi_init(struct pulumi *pulumi);
void pulumi_done(struct pulumi *pulumi);
void pulumi_service(struct standin *standin, struct service *ret_service);

#endif
