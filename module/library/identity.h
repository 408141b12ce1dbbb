/* An identity that the caller keeps. */
#ifndef LIBRARY_IDENTITY_H
#define LIBRARY_IDENTITY_H

#include "library/podlogin.h"
#include "protocol/messages.h"

/* Copies @message. Returns NULL if memory ran out; podlogin_identity_free() frees the copy. */
struct podlogin_identity *identity_new(const struct message_identity *message);

#endif
