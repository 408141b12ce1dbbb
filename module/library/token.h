/* An access token that the caller keeps. */
#ifndef LIBRARY_TOKEN_H
#define LIBRARY_TOKEN_H

#include "library/podlogin.h"
#include "protocol/messages.h"
#include "text/text.h"

/*
 * Returns whether @message may become a token: the token is visible ASCII, and a token may set each
 * of its variables (protocol/names.h). The wire format does not check this, and callers export the
 * variables.
 *
 * @why: if not, the problem is appended. It holds no secret, and of @message only a valid name.
 */
bool token_check(const struct message_token *message, struct text *why);

/* Copies @message. Returns NULL if memory ran out; podlogin_token_free() frees the copy. */
struct podlogin_token *token_new(const struct message_token *message);

#endif
