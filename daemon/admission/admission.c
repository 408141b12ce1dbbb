#include "admission/admission.h"

bool admission_holds(struct identities *identities, struct identity *identity,
                     const struct service *service, struct now now)
{
    const struct presentation presentation = {.service = service, .now = now};
    const struct rule_section *section;
    enum podlogin_status status;
    const char *reason;

    return identity_judge(identities, identity, &presentation, &status, &reason) == 0 &&
           status == PODLOGIN_OK &&
           policy_judge(&service->policy, identity->payload, &section) == VERDICT_ALLOW;
}
