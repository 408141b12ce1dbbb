/* podloginctl doctor: the token of a pod, as the daemon would judge it. */
#include "ctl/doctor.h"
#include "ctl/remedy.h"

/* Makes the checks that need no connection, until one does not pass. */
static enum podlogin_status judge_token(struct doctor *doctor, const struct service *service,
                                        struct identity *identity, struct refusal *ret_refusal)
{
    const struct admission admission = {
        .identities = &doctor->identities,
        .service = service,
        .identity = identity,
        .now = clock_now(),
    };

    identity_issuer(&doctor->identities, identity);
    for (enum admission_check check = CHECK_ISSUER; check <= CHECK_RULES; check++)
        if (check != CHECK_PEER &&
            admission_check(&admission, check, ret_refusal) != ADMISSION_GRANTED)
            return ret_refusal->status;
    return PODLOGIN_OK;
}

/* Returns a service that accepts the token; or NULL with the first refusal: none does. */
static const struct service *find_service(struct doctor *doctor, struct identity *identity,
                                          struct refusal *ret_refusal)
{
    const struct config *config = doctor->config;

    *ret_refusal = (struct refusal){.status = PODLOGIN_UNKNOWN_SERVICE};
    for (size_t i = 0; i < config->n_services; i++) {
        struct refusal refusal = {0};

        if (!doctor_is_asked_for(doctor, &config->services[i]))
            continue;
        if (judge_token(doctor, &config->services[i], identity, &refusal) == PODLOGIN_OK)
            return &config->services[i];
        if (ret_refusal->status == PODLOGIN_UNKNOWN_SERVICE)
            *ret_refusal = refusal;
    }
    return NULL;
}

void doctor_check_token(struct doctor *doctor)
{
    const struct service *service = NULL;
    CLEANUP(identity_unrefp)
    struct identity *identity = NULL;
    struct refusal refusal = {0};

    if (!doctor->token)
        return;
    if (identities_find(&doctor->identities, doctor->token->bytes, doctor->token->len, &identity,
                        &refusal) == PODLOGIN_OK)
        service = find_service(doctor, identity, &refusal);
    if (service)
        doctor_add(&doctor->report, "token", DOCTOR_PASSES, "service %s accepts it", service->name);
    else
        doctor_add(&doctor->report, "token",
                   DOCTOR_FAILS(EXIT_CODE_REFUSED, remedy_find(refusal.status, refusal.detail)),
                   "%s: %s", status_info(refusal.status)->name,
                   refusal.detail[0] ? refusal.detail : status_info(refusal.status)->sentence);
}
