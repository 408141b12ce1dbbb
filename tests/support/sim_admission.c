#include "admission/admission.h"

#include "support/sim.h"

bool admission_holds(struct identities *identities, struct identity *identity,
                     const struct service *service, struct now now)
{
    (void)identities;
    (void)service;
    return sim_admits && !identity_has_expired(identity, now);
}
