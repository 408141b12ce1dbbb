/* Credentials of AWS, in the two forms that its SDKs read. */
#ifndef COMMAND_AWS_H
#define COMMAND_AWS_H

#include <stdbool.h>

#include "library/podlogin.h"
#include "protocol/messages.h"
#include "text/text.h"

#define AWS_SERVICE   "aws" /* the service, if none is named */
#define AWS_JSON_SIZE (2 * PODLOGIN_ANSWER_MAX)

/* Returns whether @token has the three values that requests to AWS are signed with. */
bool aws_is_in(const struct podlogin_token *token);

/* Prints that the token of the service has none, and what to do. Returns EXIT_CODE_USAGE. */
int aws_is_missing(const char *service);

/*
 * Appends @before, the credentials and "}".
 *
 * @before:  "{", or an object's first members with a comma.
 * @session: what the reader calls the session token.
 */
void aws_add(struct text *text, const char *before, const char *session,
             const struct podlogin_token *token);

#endif
