/*
 * Finds rules that cannot match, because no token has such a claim or such a value: in a Deny
 * section, nobody would notice.
 */
#ifndef POLICY_EXAMINE_H
#define POLICY_EXAMINE_H

#include "policy/policy.h"

#define RULE_REASON_MAX 256

enum rule_state {
    RULE_USUAL,
    RULE_UNUSUAL, /* Kubernetes does not write the claim; another issuer may */
    RULE_DEAD,    /* no token of Kubernetes can match */
    RULE_WRONG,   /* clearly a mistake: quotes that are missing, or too many */
};

/*
 * Examines the last rule of a section, of which all must match. @ret_reason: a sentence, unless the
 * state is RULE_USUAL.
 */
enum rule_state rule_examine(const struct rule_section *section, char ret_reason[RULE_REASON_MAX]);

#endif
