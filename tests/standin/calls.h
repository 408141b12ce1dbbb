/* The calls that are no logins: which token came with each, for GET /calls. */
#ifndef STANDIN_CALLS_H
#define STANDIN_CALLS_H

#include <jansson.h>

struct reply;
struct request;

/*
 * Appends the answered @request to @calls, an array. The caller holds the lock.
 *
 * @credential: the token that came with it, or NULL.
 */
void calls_record(json_t *calls, const struct request *request, const char *credential,
                  const struct reply *reply);

#endif
