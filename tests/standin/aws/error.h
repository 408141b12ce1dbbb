/* The errors of AWS STS (botocore: sts/2011-06-15/service-2.json; "Common Errors" of the API). */
#ifndef STANDIN_AWS_ERROR_H
#define STANDIN_AWS_ERROR_H

#include <stdbool.h>

struct reply;

/*
 * Answers with the error @code, whose status and type are in a table.
 *
 * @message: NULL: a usual one.
 *
 * Returns false when there is no such error.
 */
bool aws_error(struct reply *reply, const char *code, const char *message);

#endif
