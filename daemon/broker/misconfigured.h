/*
 * Which services seem to be misconfigured: their upstream answers that the request itself is wrong.
 *
 * One such answer may concern the JWT alone, because servers answer `invalid_request` to a subject
 * token that they do not accept (RFC 8693, section 2.2.2). Only if several service accounts get it,
 * without a success in between, is it the service's: then its exchanges are held back for a while,
 * but for probes.
 */
#ifndef BROKER_MISCONFIGURED_H
#define BROKER_MISCONFIGURED_H

#include "base/digest.h"
#include "base/list.h"
#include "identity/claims.h"

/*
 * Returns why an exchange of @service for the account of @claims is held back, valid until the list
 * changes; NULL: it may go. While exchanges of a service are held back, one in each second may go
 * as a probe, but none of the accounts that showed the misconfiguration.
 *
 * @list:    all such services.
 * @service: the digest that identifies the service.
 */
const char *misconfigured_hold(struct list *list, const struct digest *service,
                               const struct claims *claims, uint64_t now_usec);

/* Notes that an exchange was answered so; @detail says how, and is copied. */
void misconfigured_add(struct list *list, const struct digest *service, const struct claims *claims,
                       const char *detail, uint64_t now_usec);

/* Forgets the answers of @service after a success. */
void misconfigured_end(struct list *list, const struct digest *service);

/* Forgets all. */
void misconfigured_clear(struct list *list);

#endif
