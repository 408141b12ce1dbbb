/* Whether somebody may have a service's token: identity first, rules second. */
#ifndef ADMISSION_H
#define ADMISSION_H

#include "identity/identity.h"

/* By what is at hand: the issuer is not asked for newer keys, and nobody is attested. */
bool admission_holds(struct identities *identities, struct identity *identity,
                     const struct service *service, struct now now);

#endif
