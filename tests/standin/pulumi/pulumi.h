/* Pulumi Cloud, as far as a job needs it: the token endpoint, and what the CLI asks of the API. */
#ifndef STANDIN_PULUMI_H
#define STANDIN_PULUMI_H

#include <jansson.h>

#include "standin/pulumi/tokens.h"
#include "standin/request.h"

struct pulumi {
    json_t *policies;
    json_t *organizations; /* an array of names */
    json_t *stacks;        /* by ORGANIZATION/PROJECT/STACK */
    json_t *calls;         /* an array: the calls of the API, with the token that came with each */
    json_int_t expires_in_max_s;
    size_t token_bytes;   /* issued tokens have at least this length */
    struct tokens tokens; /* all tokens issued since the start */
};

void pulumi_init(struct pulumi *pulumi);
void pulumi_done(struct pulumi *pulumi);

extern const struct service pulumi_service;

#endif
