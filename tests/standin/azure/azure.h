/* Microsoft Entra's token endpoint, for federated credentials (v2-oauth2-client-creds-grant-flow).
 */
#ifndef STANDIN_AZURE_H
#define STANDIN_AZURE_H

#include "standin/upstream.h"

extern const struct upstream_kind azure_kind;

#endif
