/*
 * The API of Pulumi Cloud, as far as the CLI asks it: the user, organizations, capabilities,
 * environments and stacks.
 */
#ifndef STANDIN_PULUMI_API_H
#define STANDIN_PULUMI_API_H

#include "standin/request.h"

/* Answers for the token that came with the request, and records the call for GET /calls. */
void api_answer(struct standin *standin, struct request *request, struct reply *reply);

#endif
