/* An access token that the caller keeps. */
#ifndef TOKEN_H
#define TOKEN_H

#include "library/podlogin.h"
#include "protocol/messages.h"
#include "text/text.h"

/*
 * Whether @message may become a token: its value is visible ASCII, and each variable is one that a
 * token may set (protocol/names.h), with a value. The wire format does not say this, and callers
 * export the variables.
 *
 * @why: a problem is appended, without secrets and without the peer's text but for a valid name.
 */
bool token_check(const struct message_token *message, struct text *why);

/* Copies @message. Returns NULL if memory ran out; podlogin_token_free() wipes and frees the copy.
 */
struct podlogin_token *token_new(const struct message_token *message);

#endif
