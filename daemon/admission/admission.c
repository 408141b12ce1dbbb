#include "admission/admission.h"

#include <string.h>

static enum admission_verdict verdict_of(enum podlogin_status status)
{
    return status == PODLOGIN_OK ? ADMISSION_GRANTED : ADMISSION_REFUSED;
}

static enum admission_verdict refuse(struct refusal *ret_refusal, enum podlogin_status status)
{
    return verdict_of(refusal_set_status(ret_refusal, status));
}

/* Issuers are compared by URL: the pointers differ if the service is of an older configuration. */
static bool is_issuer_of(const struct service *service, const struct issuer *issuer)
{
    return service->issuer == issuer->config ||
           strcmp(service->issuer->url, issuer->config->url) == 0;
}

static enum admission_verdict check_issuer(const struct admission *admission,
                                           struct refusal *ret_refusal)
{
    const struct issuer *issuer = identity_issuer(admission->identities, admission->identity);

    if (issuer && (!admission->service || is_issuer_of(admission->service, issuer)))
        return ADMISSION_GRANTED;
    if (!admission->service)
        return verdict_of(refusal_set(ret_refusal, PODLOGIN_TOKEN_UNTRUSTED_ISSUER,
                                      "no configured issuer has the URL %.150s",
                                      admission->identity->claims.issuer));
    return verdict_of(refusal_set(ret_refusal, PODLOGIN_TOKEN_UNTRUSTED_ISSUER,
                                  "the token's issuer is %.100s; service %s trusts %.100s",
                                  admission->identity->claims.issuer, admission->service->name,
                                  admission->service->issuer->url));
}

/* A token with several audiences is refused: everyone it is sent to could use it for the others. */
static enum admission_verdict check_audience(const struct admission *admission,
                                             struct refusal *ret_refusal)
{
    const struct claims *claims = &admission->identity->claims;

    if (!admission->service)
        return ADMISSION_GRANTED;
    if (!claims_have_audience(claims, admission->service->audience))
        return verdict_of(refusal_set(ret_refusal, PODLOGIN_TOKEN_WRONG_AUDIENCE,
                                      "the token's audience is %.100s; service %s needs %.100s",
                                      claims->n_audiences ? claims->audiences[0] : "missing",
                                      admission->service->name, admission->service->audience));
    if (claims->n_audiences == 1)
        return ADMISSION_GRANTED;
    return verdict_of(
        refusal_set(ret_refusal, PODLOGIN_TOKEN_WRONG_AUDIENCE,
                    "the token has further audiences; project one for this service only"));
}

/* Without keys of the issuer, the daemon's own token could not be verified either. */
static enum admission_verdict check_node(const struct admission *admission,
                                         struct refusal *ret_refusal)
{
    const struct own_node *node = &admission->identities->node;
    const struct issuer *issuer = admission->identity->issuer;

    if (!node_is_unknown(node))
        return verdict_of(node_judge(node, &admission->identity->claims, ret_refusal));
    if (!issuer->jwks.n) {
        if (admission->newer_keys == NEWER_KEYS_LATER)
            return ADMISSION_NEEDS_KEYS;
        return verdict_of(issuer_refuse(issuer, ret_refusal));
    }
    return verdict_of(refusal_set(ret_refusal, PODLOGIN_INTERNAL,
                                  "the daemon does not know the uid of its node yet; see its log"));
}

enum podlogin_status admission_attest(const struct identity *identity, const struct peer *peer,
                                      struct refusal *ret_refusal)
{
    switch (peer->state) {
    case PEER_ENDED:
        return refusal_set_status(ret_refusal, PODLOGIN_PEER_GONE);
    case PEER_UNSEEN:
        return refusal_set(ret_refusal, PODLOGIN_INTERNAL,
                           "the daemon cannot see the caller's pod; it must run with hostPID: true "
                           "and see all of /proc");
    case PEER_IN_NO_POD:
        return refusal_set(ret_refusal, PODLOGIN_PEER_MISMATCH, "the caller runs in no pod");
    case PEER_CONTRADICTORY:
        return refusal_set(ret_refusal, PODLOGIN_PEER_MISMATCH,
                           "the caller's cgroups name two pods");
    case PEER_UNREADABLE:
        return refusal_set(ret_refusal, PODLOGIN_PEER_MISMATCH,
                           "the paths of the caller's cgroups are too long to be read");
    case PEER_IN_POD:
    case PEER_STATES:
        break;
    }
    if (!identity->claims.pod_uid)
        return refusal_set(ret_refusal, PODLOGIN_PEER_MISMATCH,
                           "the token is bound to no pod; use a projected token");
    if (strcmp(identity->claims.pod_uid, peer->pod_uid) != 0)
        return refusal_set(ret_refusal, PODLOGIN_PEER_MISMATCH, "the caller runs in pod %s",
                           peer->pod_uid);
    return PODLOGIN_OK;
}

static bool attests(const struct admission *admission)
{
    return admission->peer && admission->identities->config->attestation == ATTESTATION_ENFORCE;
}

static enum admission_verdict check_peer(const struct admission *admission,
                                         struct refusal *ret_refusal)
{
    if (!attests(admission))
        return ADMISSION_GRANTED;
    return verdict_of(admission_attest(admission->identity, admission->peer, ret_refusal));
}

static enum admission_verdict check_signature(const struct admission *admission,
                                              struct refusal *ret_refusal)
{
    switch (identity_verify(admission->identities, admission->identity, admission->newer_keys,
                            ret_refusal)) {
    case IDENTITY_VERIFIED:
        return ADMISSION_GRANTED;
    case IDENTITY_NEEDS_KEYS:
        return ADMISSION_NEEDS_KEYS;
    case IDENTITY_REFUSED:
        break;
    }
    return ADMISSION_REFUSED;
}

static enum admission_verdict check_time(const struct admission *admission,
                                         struct refusal *ret_refusal)
{
    return verdict_of(identity_judge_time(admission->identities, admission->identity,
                                          admission->now, ret_refusal));
}

static enum admission_verdict check_rules(const struct admission *admission,
                                          struct refusal *ret_refusal)
{
    const struct service *service = admission->service;
    struct identity *identity = admission->identity;
    const struct rule_section *section;

    if (!service || (service->id && identity->admitted_service == service->id))
        return ADMISSION_GRANTED;
    if (policy_judge(&service->policy, identity->payload, &section) == VERDICT_ALLOW) {
        identity->admitted_service = service->id; /* neither claims nor rules change under it */
        return ADMISSION_GRANTED;
    }
    if (section)
        return verdict_of(refusal_set(ret_refusal, PODLOGIN_POLICY_DENIED,
                                      "[Deny \"%.150s\"] of service %s", section->name,
                                      service->name));
    return verdict_of(refusal_set(ret_refusal, PODLOGIN_POLICY_DENIED,
                                  "no [Allow] section of service %s matches", service->name));
}

static enum admission_verdict check_alive(const struct admission *admission,
                                          struct refusal *ret_refusal)
{
    if (!attests(admission) || peer_lives(admission->peer))
        return ADMISSION_GRANTED;
    return refuse(ret_refusal, PODLOGIN_PEER_GONE);
}

static enum admission_verdict check_review(const struct admission *admission,
                                           struct refusal *ret_refusal)
{
    (void)ret_refusal;
    return review_is_needed(admission->identity, admission->for_exchange, admission->now.boot_usec)
               ? ADMISSION_NEEDS_REVIEW
               : ADMISSION_GRANTED;
}

typedef enum admission_verdict (*check_function)(const struct admission *admission,
                                                 struct refusal *ret_refusal);

static const check_function checks[ADMISSION_CHECKS] = {
    [CHECK_ISSUER] = check_issuer,       [CHECK_AUDIENCE] = check_audience,
    [CHECK_NODE] = check_node,           [CHECK_PEER] = check_peer,
    [CHECK_SIGNATURE] = check_signature, [CHECK_TIME] = check_time,
    [CHECK_RULES] = check_rules,         [CHECK_ALIVE] = check_alive,
    [CHECK_REVIEW] = check_review,
};

enum admission_verdict admission_check(const struct admission *admission,
                                       enum admission_check check, struct refusal *ret_refusal)
{
    return checks[check](admission, ret_refusal);
}

enum admission_verdict admission_judge(const struct admission *admission,
                                       struct refusal *ret_refusal)
{
    enum admission_verdict verdict = ADMISSION_GRANTED;

    for (size_t i = 0; i < ADMISSION_CHECKS && verdict == ADMISSION_GRANTED; i++)
        verdict = checks[i](admission, ret_refusal);
    return verdict;
}
