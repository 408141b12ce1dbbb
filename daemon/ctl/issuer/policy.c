/* podloginctl issuer policy diff, policy apply */
#include "ctl/issuer/issuer.h"

#include <stdio.h>

#include "base/json.h"
#include "cloud/plan.h"

static const char *const action_names[] = {
    [PLAN_KEEP] = "keep",
    [PLAN_ADD] = "add",
    [PLAN_REMOVE] = "remove",
    [PLAN_FOREIGN] = "foreign",
};

static void describe(const struct plan_line *line, char *text, size_t size)
{
    char title[SECTION_TITLE_SIZE];

    *text = '\0';
    if (line->action == PLAN_ADD)
        snprintf(text, size, "%s of service %.64s",
                 rule_section_title(line->policy->section, title), line->policy->service->name);
    else if (line->is_default)
        snprintf(text, size, "what a new issuer has: nothing is allowed");
    else if (line->action == PLAN_REMOVE)
        snprintf(text, size, "of no service here");
    else if (line->action == PLAN_FOREIGN)
        snprintf(text, size, "of no service here; kept, unless --prune is given");
}

static void print_plan(const struct plan *plan)
{
    for (size_t i = 0; i < plan->n; i++) {
        const struct plan_line *line = &plan->lines[i];
        char text[512];

        describe(line, text, sizeof(text));
        if (line->action != PLAN_KEEP)
            issuer_print_policy(line->action == PLAN_ADD      ? '+'
                                : line->action == PLAN_REMOVE ? '-'
                                                              : '?',
                                line->policy, text);
    }
    printf("%zu as they should be, %zu to add, %zu to remove, %zu of no service here\n",
           plan->counts[PLAN_KEEP], plan->counts[PLAN_ADD], plan->counts[PLAN_REMOVE],
           plan->counts[PLAN_FOREIGN]);
}

static json_t *plan_json(const struct issuer_command *command, const struct plan *plan,
                         bool is_done)
{
    json_t *json = json_pack("{s:s, s:s, s:[], s:[], s:[], s:[], s:b}", "issuer",
                             command->site.issuer->name, "organization", command->site.organization,
                             "keep", "add", "remove", "foreign", "changed", (int)is_done);

    for (size_t i = 0; i < plan->n; i++)
        json_array_append(json_object_get(json, action_names[plan->lines[i].action]),
                          plan->lines[i].policy->source);
    return json;
}

/* Replaces the list, and makes sure that it is now as it was sent. */
static int apply(struct issuer_command *command, const json_t *policy, const struct plan *plan)
{
    CLEANUP(json_decrefp)
    json_t *body = plan_body(plan);
    CLEANUP(json_decrefp)
    json_t *answer = NULL;
    CLEANUP(auth_policies_donep)
    struct auth_policies now = {0};
    char error[AUTH_POLICY_ERROR_SIZE];
    int code;

    if (json_array_size(json_object_get(body, "policies")) == 0)
        return issuer_fail(EXIT_CODE_CONFIG,
                           "the services admit nobody, and Pulumi Cloud takes no empty list; "
                           "podloginctl issuer remove ends what is allowed");
    code = issuer_call_about(command, "PATCH", "/auth/policies", policy, body, &answer);
    if (code != EXIT_CODE_OK)
        return code;
    if (auth_policies_read(json_object_get(answer, "policies"), &now, error) < 0)
        return issuer_fail(EXIT_CODE_FAULT, "Pulumi Cloud's answer: %s", error);
    for (size_t i = 0; i < plan->n; i++)
        if (auth_policies_have(&now, plan->lines[i].policy) !=
            (plan->lines[i].action != PLAN_REMOVE))
            return issuer_fail(EXIT_CODE_FAULT,
                               "Pulumi Cloud has not taken the policies over as they were sent; "
                               "see podloginctl issuer policy diff");
    return EXIT_CODE_OK;
}

static int report(const struct issuer_command *command, const struct plan *plan, bool is_done,
                  bool differs)
{
    if (command->options.is_json) {
        CLEANUP(json_decrefp)
        json_t *json = plan_json(command, plan, is_done);
        int code = issuer_print_json(json);

        if (code != EXIT_CODE_OK)
            return code;
    } else {
        issuer_print_title(command);
        print_plan(plan);
        if (is_done)
            printf("applied\n");
        else if (plan_has_changes(plan))
            printf("nothing was changed; podloginctl issuer policy apply %s--yes does it\n",
                   command->options.is_pruned ? "--prune " : "");
    }
    return differs ? (int)EXIT_CODE_DIFFERS : EXIT_CODE_OK;
}

static int make_plan(struct issuer_command *command, struct auth_policies *derived,
                     struct auth_policies *actual, json_t **ret_policy, struct plan *ret_plan)
{
    CLEANUP(json_decrefp)
    json_t *issuer = NULL;
    int code = issuer_derive(command, derived);

    if (code == EXIT_CODE_OK)
        code = issuer_connect(command);
    if (code == EXIT_CODE_OK)
        code = issuer_find(command, &issuer);
    if (code == EXIT_CODE_OK && !issuer)
        code = issuer_fail(EXIT_CODE_CONFIG,
                           "issuer %s is not registered in organization %s; podloginctl issuer "
                           "register does that",
                           command->site.issuer->name, command->site.organization);
    if (code == EXIT_CODE_OK)
        code = issuer_policies(command, issuer, ret_policy, actual);
    if (code == EXIT_CODE_OK &&
        plan_make(derived, actual, command->options.is_pruned, ret_plan) < 0)
        code = issuer_fail(EXIT_CODE_FAULT, "out of memory");
    return code;
}

static int run(struct issuer_command *command, bool is_diff)
{
    CLEANUP(auth_policies_donep)
    struct auth_policies derived = {0};
    CLEANUP(auth_policies_donep)
    struct auth_policies actual = {0};
    CLEANUP(json_decrefp)
    json_t *policy = NULL;
    CLEANUP(plan_donep)
    struct plan plan = {0};
    int code = make_plan(command, &derived, &actual, &policy, &plan);
    bool is_done = command->options.is_confirmed && plan_has_changes(&plan);

    if (code == EXIT_CODE_OK && is_done)
        code = apply(command, policy, &plan);
    if (code != EXIT_CODE_OK)
        return code;
    return report(command, &plan, is_done,
                  !is_done &&
                      (plan_has_changes(&plan) || (is_diff && plan.counts[PLAN_FOREIGN] > 0)));
}

int issuer_policy_diff(struct issuer_command *command)
{
    return run(command, true);
}

int issuer_policy_apply(struct issuer_command *command)
{
    return run(command, false);
}
