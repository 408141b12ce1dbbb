/* The stacks of Pulumi Cloud: no deployments, but secrets. The caller of all functions holds the
 * lock. */
#ifndef STANDIN_PULUMI_STACKS_H
#define STANDIN_PULUMI_STACKS_H

#include "standin/request.h"

/*
 * Returns what GET /api/user/stacks answers: the stacks of @organization, of the project that the
 * request asks for.
 */
json_t *stacks_list(json_t *stacks, const char *organization, const struct request *request);

/*
 * Answers a call of /api/stacks/@path, for a token of @organization; the stacks of others do not
 * exist for it.
 */
void stacks_answer(json_t *stacks, const char *organization, const char *path,
                   const struct request *request, struct reply *reply);

#endif
