/*
 * The OIDC issuers that an organization has registered, and their authorization policies (Pulumi
 * Cloud REST API, "OIDC Issuers"). The caller of all functions holds the lock.
 */
#ifndef STANDIN_PULUMI_ISSUERS_H
#define STANDIN_PULUMI_ISSUERS_H

#include <time.h>

#include "standin/request.h"

#define ISSUER_EXPIRATION_S (25 * 60 * 60) /* of tokens, unless the issuer has another maximum */

/*
 * Answers a call of /api/orgs/@organization/@path. @is_admin: of the token that came with the call.
 */
void issuers_answer(struct standin *standin, const char *organization, const char *path,
                    bool is_admin, const struct request *request, struct reply *reply);

/* Removes all issuers of all organizations. */
void issuers_reset(struct standin *standin);

/*
 * Returns the registration of the issuer with this URL in @organization, for the functions below,
 * or NULL if there is none.
 */
json_t *issuers_find(json_t *issuers, const char *organization, const char *url);

/* Returns its authorization policies, which it owns. */
const json_t *issuer_policies(const json_t *registration);

/* Returns the maximum lifetime of tokens for its JWTs, in seconds. */
json_int_t issuer_expiration_max(const json_t *registration);

/* Notes that a JWT of it was exchanged. */
void issuer_used(json_t *registration, time_t now);

#endif
