/* The control interface: tests mint tokens, set faults and read counts here. */
#ifndef STANDIN_CONTROL_H
#define STANDIN_CONTROL_H

#include <jansson.h>

#include "standin/request.h"

extern const struct service control_service;

/* One call of the interface. */
struct call {
    struct standin *standin;
    const struct request *request;
    json_t *in;          /* the body; {} when it is empty */
    struct reply *reply; /* {} with status 200, unless the handler replaces it */
};

/* Each part of the stand-in has a table of the calls that control it. It ends with zeros. */
struct route {
    const char *method;
    const char *path;

    /* Handles the call. Returns NULL, or an error message, which the control interface frees. */
    char *(*run)(struct call *call);
};
extern const struct route issuer_routes[];
extern const struct route upstream_routes[];
extern const struct route pulumi_routes[];

/* Sets the answer and releases @json. Returns NULL, so that a handler can end with it. */
char *call_answer(struct call *call, json_t *json);

#endif
