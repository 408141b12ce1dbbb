/*
 * Any list of authorization policies: it is read or refused, examined, and what is to be done about
 * it is nothing once it is done.
 */
#include "cloud/lint.h"
#include "cloud/plan.h"
#include "fuzz/fuzz.h"
#include "provider/pulumi.h"

static void add_section(struct service *service, bool is_deny, const char *path,
                        const char *pattern)
{
    struct rule_section *section = policy_add_section(&service->policy, "s", is_deny);
    const char *error;

    PROMISE(section && rule_section_add(section, path, pattern, &error) == 0);
}

/* One service with a section of each kind. */
static const struct site *site_of_a_service(void)
{
    static const struct issuer_config issuer = {.name = (char *)"eks",
                                                .url = (char *)"https://issuer.example"};
    static struct service service = {.name = (char *)"pulumi",
                                     .provider = &provider_pulumi,
                                     .issuer = &issuer,
                                     .audience = (char *)"urn:pulumi:org:acme"};
    static const struct service *services[] = {&service};
    static const struct site site = {.issuer = &issuer, .services = services, .n_services = 1};

    if (service.policy.n_sections)
        return &site;
    service.provider_settings[PULUMI_ORGANIZATION] = (char *)"acme";
    service.provider_settings[PULUMI_TOKEN_TYPE] = (char *)"personal";
    service.provider_settings[PULUMI_USER] = (char *)"ci-bot";
    add_section(&service, false, "sub", "system:serviceaccount:ci:pulumi-*");
    add_section(&service, true, "\"kubernetes.io\".pod.name", "debug-*");
    return &site;
}

/* The body of the plan, read again, leaves nothing to do. */
static void check_plan(const struct auth_policies *derived, const struct auth_policies *actual,
                       bool is_pruned)
{
    struct auth_policies next;
    struct plan plan, again;
    char error[AUTH_POLICY_ERROR_SIZE];
    json_t *body;

    PROMISE(plan_make(derived, actual, is_pruned, &plan) == 0);
    body = plan_body(&plan);
    PROMISE(auth_policies_read(json_object_get(body, "policies"), &next, error) == 0);
    PROMISE(plan_make(derived, &next, is_pruned, &again) == 0);
    PROMISE(!plan_has_changes(&again) && (!is_pruned || again.counts[PLAN_FOREIGN] == 0));
    PROMISE(next.n == plan.n - plan.counts[PLAN_REMOVE]);
    plan_done(&again);
    plan_done(&plan);
    auth_policies_done(&next);
    json_decref(body);
}

static void check_policies(const struct auth_policies *actual)
{
    const struct site *site = site_of_a_service();
    struct auth_policies derived;
    char error[AUTH_POLICY_ERROR_SIZE], title[AUTH_POLICY_TITLE_SIZE];
    json_t *result = lint(site, actual, NULL);

    PROMISE(result && json_array_size(json_object_get(result, "services")) == 1);
    PROMISE(auth_policies_derive(site, &derived, error) == 0 && derived.n == 2);
    for (size_t i = 0; i < actual->n; i++) {
        PROMISE(auth_policies_have(actual, &actual->list[i]) && actual->list[i].rules.n_sections);
        PROMISE(strlen(auth_policy_title(&actual->list[i], title)) > 0);
    }
    check_plan(&derived, actual, false);
    check_plan(&derived, actual, true);
    auth_policies_done(&derived);
    json_decref(result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *json = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    struct auth_policies actual;
    char error[AUTH_POLICY_ERROR_SIZE];

    if (json) {
        if (auth_policies_read(json, &actual, error) == 0)
            check_policies(&actual);
        auth_policies_done(&actual);
    }
    json_decref(json);
    return 0;
}
