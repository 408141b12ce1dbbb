#include "cloud/plan.h"

#include <errno.h>
#include <stdlib.h>

static bool is_default(const struct auth_policies *actual)
{
    return actual->n == 1 && actual->list[0].is_deny &&
           auth_policy_rules(&actual->list[0])->n_rules == 0;
}

static void add_line(struct plan *plan, enum plan_action action, const struct auth_policy *policy)
{
    plan->lines[plan->n++] = (struct plan_line){.action = action, .policy = policy};
    plan->counts[action]++;
}

/* Returns whether one of those before says the same: it is needed once. */
static bool is_repeat(const struct auth_policies *policies, size_t i)
{
    const struct auth_policies before = {.list = policies->list, .n = i};

    return auth_policies_have(&before, &policies->list[i]);
}

int plan_make(const struct auth_policies *derived, const struct auth_policies *actual,
              bool is_pruned, struct plan *ret_plan)
{
    bool removes_default = is_default(actual) && derived->n;

    *ret_plan =
        (struct plan){.lines = calloc(derived->n + actual->n + 1, sizeof(*ret_plan->lines))};
    if (!ret_plan->lines)
        return -ENOMEM;
    for (size_t i = 0; i < actual->n; i++) {
        bool is_derived = auth_policies_have(derived, &actual->list[i]) && !is_repeat(actual, i);

        add_line(ret_plan,
                 is_derived                     ? PLAN_KEEP
                 : is_pruned || removes_default ? PLAN_REMOVE
                                                : PLAN_FOREIGN,
                 &actual->list[i]);
        ret_plan->lines[i].is_default = removes_default && !is_derived;
    }
    for (size_t i = 0; i < derived->n; i++)
        if (!auth_policies_have(actual, &derived->list[i]) && !is_repeat(derived, i))
            add_line(ret_plan, PLAN_ADD, &derived->list[i]);
    return 0;
}

void plan_done(struct plan *plan)
{
    free(plan->lines);
    *plan = (struct plan){0};
}

bool plan_has_changes(const struct plan *plan)
{
    return plan->counts[PLAN_ADD] || plan->counts[PLAN_REMOVE];
}

json_t *plan_body(const struct plan *plan)
{
    json_t *list = json_array();

    for (size_t i = 0; i < plan->n; i++)
        if (plan->lines[i].action != PLAN_REMOVE &&
            json_array_append(list, plan->lines[i].policy->source) < 0) {
            json_decref(list);
            return NULL;
        }
    return json_pack("{s:o}", "policies", list);
}
