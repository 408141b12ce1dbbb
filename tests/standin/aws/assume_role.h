/* The action AssumeRoleWithWebIdentity. */
#ifndef STANDIN_AWS_ASSUME_ROLE_H
#define STANDIN_AWS_ASSUME_ROLE_H

#include <jansson.h>
#include <stdbool.h>

struct reply;
struct standin;

/* Answers the call with these parameters. Returns whether it gave credentials. */
bool assume_role(struct standin *standin, const json_t *fields, struct reply *reply);

#endif
