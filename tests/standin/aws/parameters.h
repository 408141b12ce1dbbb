/* The parameters of AssumeRoleWithWebIdentity, by the limits of its model. */
#ifndef STANDIN_AWS_PARAMETERS_H
#define STANDIN_AWS_PARAMETERS_H

#include <jansson.h>
#include <stdbool.h>

struct reply;

/* The strings belong to the fields of the request. */
struct role_request {
    const char *role_arn;
    const char *session_name;
    const char *token;
    const char *policy;    /* or NULL */
    json_int_t duration_s; /* 0: none was given */
    size_t policy_bytes;   /* of the policy and of the ARNs of policies */
};

/* Answers with the error when a parameter is not valid, and returns false. */
bool role_request_read(const json_t *fields, struct role_request *ret_request, struct reply *reply);

#endif
