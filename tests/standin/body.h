/* The body of a request to an upstream, as an object of its fields. */
#ifndef STANDIN_BODY_H
#define STANDIN_BODY_H

#include <jansson.h>

struct request;

/*
 * These return the fields, which the caller owns, or NULL when the body is malformed or not of this
 * type. In a form every field is a string.
 */
json_t *body_form(const struct request *request);
json_t *body_json(const struct request *request);
json_t *body_form_or_json(const struct request *request);

#endif
