/* The cluster's OIDC issuer: discovery document and key set, as the API server serves them. */
#ifndef STANDIN_ISSUER_H
#define STANDIN_ISSUER_H

#include <jansson.h>
#include <stddef.h>

#include "standin/request.h"

#define ISSUER_PATH "/id/STANDIN"

/* A body to serve verbatim; NULL: the generated document. */
struct issuer_document {
    char *body;
    size_t body_bytes;
};

struct issuer {
    int max_age_s; /* of Cache-Control; negative: no header */
    struct issuer_document keys;
    struct issuer_document discovery;
    json_t *revoked; /* its members are uids of deleted pods and service accounts */
};

void issuer_init(struct issuer *issuer);
void issuer_done(struct issuer *issuer);

extern const struct service issuer_service;

#endif
