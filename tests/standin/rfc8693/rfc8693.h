/* An OAuth server with token exchange and nothing beyond RFC 8693, as Dex or Keycloak are. */
#ifndef STANDIN_RFC8693_H
#define STANDIN_RFC8693_H

#include "standin/upstream.h"

extern const struct upstream_kind rfc8693_kind;

#endif
