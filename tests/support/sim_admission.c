/* Replaces admission/admission.c: the test decides who is admitted. */
#include "admission/admission.h"

#include "support/sim.h"

enum admission_verdict admission_judge(const struct admission *admission,
                                       struct refusal *ret_refusal)
{
    if (sim_admits && admission->service != sim_refuses &&
        !identity_has_expired(admission->identity, admission->now))
        return ADMISSION_GRANTED;
    refusal_set_status(ret_refusal, PODLOGIN_POLICY_DENIED);
    return ADMISSION_REFUSED;
}
