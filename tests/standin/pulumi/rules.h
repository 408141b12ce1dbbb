/*
 * What Pulumi Cloud adds to RFC 8693 (Pulumi Cloud REST API, "OAuth Token Exchange"): its token
 * types and their scopes, organizations as audiences, the parameter `expiration`, and the
 * organization's authorization policies.
 */
#ifndef STANDIN_PULUMI_RULES_H
#define STANDIN_PULUMI_RULES_H

#include "standin/exchange.h"

extern const struct exchange_rules pulumi_rules;

#endif
