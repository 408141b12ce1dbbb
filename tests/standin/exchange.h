/* The token exchange of RFC 8693, with Pulumi Cloud's token types, scopes and policies. */
#ifndef STANDIN_EXCHANGE_H
#define STANDIN_EXCHANGE_H

#include <jansson.h>
#include <stddef.h>

#include "standin/reply.h"

struct standin;

/*
 * Parses the body of a request, a form or JSON as @content_type says.
 *
 * Returns an object that the caller owns, or NULL when it is neither or malformed. A field of a
 * form is always a string.
 */
json_t *exchange_fields(const char *content_type, const char *body, size_t len);

/* Answers a request with these @fields, which are NULL when they could not be parsed. */
void exchange_answer(struct standin *standin, const json_t *fields, struct reply *reply);

#endif
