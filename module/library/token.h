/* An access token that the caller keeps. */
#ifndef TOKEN_H
#define TOKEN_H

#include "library/podlogin.h"
#include "protocol/messages.h"

/* Copies @message. Returns NULL if memory ran out; podlogin_token_free() wipes and frees the copy.
 */
struct podlogin_token *token_new(const struct message_token *message);

#endif
