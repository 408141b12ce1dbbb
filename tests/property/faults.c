/* Wrappers of admission's checks, which can be disabled one by one. Linked with --wrap. */
#include "property.h"

#define WRAP(type, name, ...)                                                                      \
    type __real_##name(__VA_ARGS__);                                                               \
    type __wrap_##name(__VA_ARGS__);                                                               \
    type __wrap_##name(__VA_ARGS__)

WRAP(enum verdict, policy_judge, const struct policy *policy, const struct json_value *claims,
     const struct rule_section **ret_section)
{
    *ret_section = NULL;
    if (world.fault == FAULT_RULES_NOT_JUDGED)
        return VERDICT_ALLOW;
    return __real_policy_judge(policy, claims, ret_section);
}

WRAP(bool, claims_have_audience, const struct claims *claims, const char *audience)
{
    return world.fault == FAULT_AUDIENCE_NOT_JUDGED ||
           __real_claims_have_audience(claims, audience);
}

WRAP(enum podlogin_status, node_judge, const struct own_node *node, const struct claims *claims,
     struct refusal *ret_refusal)
{
    if (world.fault == FAULT_NODE_NOT_JUDGED)
        return PODLOGIN_OK;
    return __real_node_judge(node, claims, ret_refusal);
}

WRAP(enum verification, identity_verify, struct identities *identities, struct identity *identity,
     enum newer_keys newer, struct refusal *ret_refusal)
{
    if (world.fault == FAULT_SIGNATURE_NOT_VERIFIED)
        return IDENTITY_VERIFIED;
    return __real_identity_verify(identities, identity, newer, ret_refusal);
}

WRAP(enum podlogin_status, identity_judge_time, struct identities *identities,
     struct identity *identity, struct now when, struct refusal *ret_refusal)
{
    if (world.fault == FAULT_TIME_NOT_JUDGED)
        return PODLOGIN_OK;
    return __real_identity_judge_time(identities, identity, when, ret_refusal);
}

WRAP(bool, peer_lives, const struct peer *peer)
{
    return world.fault == FAULT_CALLER_NOT_ALIVE || __real_peer_lives(peer);
}
