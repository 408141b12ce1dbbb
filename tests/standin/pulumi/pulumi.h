/* Pulumi Cloud, as far as a job needs it: the token endpoint, and what the CLI asks of the API. */
#ifndef STANDIN_PULUMI_H
#define STANDIN_PULUMI_H

#include <jansson.h>

#include "standin/upstream.h"

struct pulumi {
    json_t *policies;
    json_t *organizations;         /* an array of names */
    json_t *issuers;               /* by id: the registered issuers of all organizations */
    const char *issuer_thumbprint; /* of the certificate of the stand-in's own issuer */
    json_t *stacks;                /* by ORGANIZATION/PROJECT/STACK */
};

void pulumi_init(struct pulumi *pulumi);
void pulumi_done(struct pulumi *pulumi);

extern const struct upstream_kind pulumi_kind;

#endif
