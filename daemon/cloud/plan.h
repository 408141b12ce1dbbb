/*
 * What `policy apply` would do: the policies that the services derive, compared with those that
 * there are. Policies have no name and no owner, so others in the same list are those of somebody
 * else, or of an earlier configuration; they are kept unless they are to be pruned.
 */
#ifndef CLOUD_PLAN_H
#define CLOUD_PLAN_H

#include "cloud/auth_policy.h"

enum plan_action {
    PLAN_KEEP, /* it is as it should be */
    PLAN_ADD,
    PLAN_REMOVE,
    PLAN_FOREIGN, /* no service here derives it; kept */
};

struct plan_line {
    enum plan_action action;
    const struct auth_policy *policy; /* of one of the two lists */
    bool is_default;                  /* removed, because it is what a new issuer has */
};

struct plan {
    struct plan_line *lines; /* first what there is, then what is added */
    size_t n;
    size_t counts[PLAN_FOREIGN + 1]; /* by action */
};

/*
 * @is_pruned: policies that no service derives are removed.
 * @ret_plan:  released with plan_done(); valid as long as the two lists.
 *
 * A new issuer has one policy, which denies without rules. With it, no policy that allows such
 * tokens would have an effect, so it is removed if it is the only one.
 *
 * Returns 0 or -ENOMEM.
 */
int plan_make(const struct auth_policies *derived, const struct auth_policies *actual,
              bool is_pruned, struct plan *ret_plan);
void plan_done(struct plan *plan);

static inline void plan_donep(struct plan *plan)
{
    plan_done(plan);
}

/* Returns whether something is to be changed. */
bool plan_has_changes(const struct plan *plan);

/* Returns the list that replaces the one that there is: {"policies":[...]}; or NULL. */
json_t *plan_body(const struct plan *plan);

#endif
