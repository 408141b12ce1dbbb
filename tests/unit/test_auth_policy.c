/* The policies of Pulumi Cloud: as they are read, derived from services, and compared. */
#include <errno.h>

#include "cloud/plan.h"
#include "provider/pulumi.h"
#include "support/check.h"

#define AUDIENCE "urn:pulumi:org:acme"
#define NS       "\"kubernetes.io\".namespace"

/* A service with its settings and one rule, made without a file. */
static void service_make(struct service *service, const char *const settings[], bool is_deny,
                         const char *const rules[][2])
{
    const char *error;

    *service = (struct service){
        .name = (char *)"pulumi", .provider = &provider_pulumi, .audience = (char *)AUDIENCE};
    service->provider_settings[PULUMI_ORGANIZATION] = (char *)"acme";
    for (; *settings; settings += 2)
        for (size_t i = 0; provider_pulumi.settings[i].name; i++)
            if (strcmp(provider_pulumi.settings[i].name, settings[0]) == 0)
                service->provider_settings[i] = (char *)settings[1];
    assert_non_null(policy_add_section(&service->policy, "x", is_deny));
    for (; rules[0][0]; rules++)
        assert_int_equal(
            rule_section_add(service->policy.sections, rules[0][0], rules[0][1], &error), 0);
}

/* Derives the policies of one service, which the caller releases. Returns the result. */
static int derive(struct service *service, struct auth_policies *ret_policies, char *ret_error)
{
    const struct service *services[] = {service};
    struct site site = {.services = services, .n_services = 1};
    int r = auth_policies_derive(&site, ret_policies, ret_error);

    policy_done(&service->policy);
    return r;
}

static void sections_become_policies(void **state)
{
    static const struct {
        const char *settings[5];
        bool is_deny;
        const char *rules[3][2];
        const char *expected;
    } cases[] = {
        {{"TokenType", "personal", "User", "ci-bot"},
         false,
         {{NS, "ci"}},
         "{'decision':'allow','tokenType':'personal','userLogin':'ci-bot','authorizedPermissions':"
         "[],'rules':{'aud':'" AUDIENCE "','\\\"kubernetes.io\\\".namespace':'ci'}}"},
        {{"TokenType", "team", "Team", "core"},
         true,
         {{"sub", "x*"}},
         "{'decision':'deny','tokenType':'team','teamName':'core','authorizedPermissions':[],"
         "'rules':{'sub':'x*'}}"},
        {{"TokenType", "runner", "Scope", "runner:r-1"},
         false,
         {{"sub", "x"}},
         "{'decision':'allow','tokenType':'runner','runnerID':'r-1','authorizedPermissions':[],"
         "'rules':{'aud':'" AUDIENCE "','sub':'x'}}"},
        {{0},
         false,
         {{"sub", "x"}},
         "{'decision':'allow','tokenType':'organization','authorizedPermissions':[],'rules':{'aud':"
         "'" AUDIENCE "','sub':'x'}}"},
        {{"Scope", "admin"},
         false,
         {{"sub", "x"}},
         "{'decision':'allow','tokenType':'organization','authorizedPermissions':['admin'],'rules':"
         "{'aud':'" AUDIENCE "','sub':'x'}}"},
        {{"Scope", "admin"},
         true,
         {{"sub", "x"}},
         "{'decision':'deny','tokenType':'organization','authorizedPermissions':[],'rules':{'sub':"
         "'x'}}"},
        /* the audience of its JWTs is known: a rule that matches it says nothing */
        {{0},
         true,
         {{"aud", "urn:*"}, {"sub", "x"}},
         "{'decision':'deny','tokenType':'organization','authorizedPermissions':[],'rules':{'sub':"
         "'x'}}"},
        {{0},
         false,
         {{"aud", "other"}, {"sub", "x"}},
         "{'decision':'allow','tokenType':'organization','authorizedPermissions':[],'rules':{'aud':"
         "'other','sub':'x'}}"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char error[AUTH_POLICY_ERROR_SIZE], *text = strdup(cases[i].expected);
        struct auth_policies derived;
        struct service service;
        json_t *expected;

        for (char *at = text; (at = strchr(at, '\''));)
            *at = '"';
        expected = json_loads(text, 0, NULL);
        assert_non_null(expected);
        service_make(&service, cases[i].settings, cases[i].is_deny, cases[i].rules);
        assert_int_equal(derive(&service, &derived, error), 0);
        assert_int_equal(derived.n, 1);
        if (!json_equal(derived.list[0].json, expected))
            fail_msg("case %zu: %s", i, json_dumps(derived.list[0].json, 0));
        auth_policies_done(&derived);
        json_decref(expected);
        free(text);
    }
}

static void what_cannot_be_said_upstream_is_an_error(void **state)
{
    static const char *const scope[] = {"TokenType", "personal", "Scope", "openid", NULL};
    static const char *const none[] = {NULL};
    static const char *const one[][2] = {{NS, "ci"}, {NULL, NULL}};
    static const char *const two[][2] = {{NS, "c*"}, {NS, "*i"}, {NULL, NULL}};
    char error[AUTH_POLICY_ERROR_SIZE];
    struct auth_policies derived;
    struct service service;

    (void)state;
    service_make(&service, scope, false, one);
    assert_int_equal(derive(&service, &derived, error), -EINVAL);
    assert_non_null(strstr(error, "service pulumi: Scope= does not say which user"));
    auth_policies_done(&derived);
    service_make(&service, none, false, two);
    assert_int_equal(derive(&service, &derived, error), -EINVAL);
    assert_string_equal(error, "service pulumi, [Allow \"x\"]: two rules for one claim; Pulumi "
                               "Cloud has one for each");
    auth_policies_done(&derived);
}

static void read_list(const char *text, struct auth_policies *ret_policies)
{
    char error[AUTH_POLICY_ERROR_SIZE];
    json_t *json = json_loads(text, 0, NULL);

    assert_non_null(json);
    assert_int_equal(auth_policies_read(json, ret_policies, error), 0);
    json_decref(json);
}

#define PLAIN                                                                                      \
    "{\"decision\":\"allow\",\"tokenType\":\"team\",\"teamName\":\"core\",\"rules\":{\"a\":\"b\"}"

static void policies_that_mean_the_same_are_equal(void **state)
{
    static const struct {
        const char *text;
        bool expected;
    } cases[] = {
        {PLAIN "}", true},
        {PLAIN ",\"authorizedPermissions\":[]}", true},
        {PLAIN ",\"authorizedPermissions\":null,\"roleID\":\"\"}", true},
        {PLAIN ",\"authorizedPermissions\":[\"standard\"],\"userLogin\":\"\"}", true},
        {PLAIN ",\"authorizedPermissions\":[\"admin\"]}", false},
        {PLAIN ",\"roleID\":\"x\"}", false},
        {"{\"decision\":\"deny\",\"tokenType\":\"team\",\"teamName\":\"core\",\"rules\":{\"a\":"
         "\"b\"}}",
         false},
        {"{\"decision\":\"allow\",\"tokenType\":\"team\",\"teamName\":\"web\",\"rules\":{\"a\":"
         "\"b\"}}",
         false},
        {"{\"decision\":\"allow\",\"tokenType\":\"team\",\"rules\":{\"a\":\"b\"}}", false},
        {"{\"decision\":\"allow\",\"tokenType\":\"team\",\"teamName\":\"core\",\"rules\":{\"a\":"
         "\"c\"}}",
         false},
        {"{\"decision\":\"allow\",\"tokenType\":\"team\",\"teamName\":\"core\"}", false},
    };
    struct auth_policies plain;

    (void)state;
    read_list("[" PLAIN "}]", &plain);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct auth_policies other;
        char text[512];

        snprintf(text, sizeof(text), "[%s]", cases[i].text);
        read_list(text, &other);
        assert_null(other.list[0].problem);
        if (auth_policies_have(&plain, &other.list[0]) != cases[i].expected)
            fail_msg("%s", cases[i].text);
        auth_policies_done(&other);
    }
    auth_policies_done(&plain);
}

static void policies_of_a_kind_that_is_not_known_are_kept(void **state)
{
    static const char *const texts[] = {
        "1",
        "{}",
        "{\"decision\":\"maybe\",\"tokenType\":\"team\",\"rules\":{}}",
        "{\"decision\":\"allow\",\"tokenType\":\"robot\",\"rules\":{}}",
        "{\"decision\":\"allow\",\"tokenType\":\"team\",\"rules\":[]}",
        "{\"decision\":\"allow\",\"tokenType\":\"team\",\"rules\":{\"a\":1}}",
        "{\"decision\":\"allow\",\"tokenType\":\"team\",\"rules\":{\"a..b\":\"c\"}}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct auth_policies actual, derived;
        struct plan plan;
        char text[512];
        json_t *body, *before;

        snprintf(text, sizeof(text), "[%s,%s}]", texts[i], PLAIN);
        read_list(text, &actual);
        read_list("[" PLAIN "},{\"decision\":\"deny\",\"tokenType\":\"organization\"}]", &derived);
        assert_non_null(actual.list[0].problem);
        assert_int_equal(plan_make(&derived, &actual, false, &plan), 0);
        assert_int_equal(plan.counts[PLAN_FOREIGN], 1);
        body = plan_body(&plan);
        before = json_loads(texts[i], JSON_DECODE_ANY, NULL);
        assert_true(json_equal(json_array_get(json_object_get(body, "policies"), 0), before));
        json_decref(before);
        json_decref(body);
        plan_done(&plan);
        auth_policies_done(&actual);
        auth_policies_done(&derived);
    }
}

#define ALLOW "{\"decision\":\"allow\",\"tokenType\":\"organization\",\"rules\":{\"sub\":\"x\"}}"
#define OTHER "{\"decision\":\"allow\",\"tokenType\":\"organization\",\"rules\":{\"sub\":\"y\"}}"
#define DENY  "{\"decision\":\"deny\",\"tokenType\":\"organization\",\"rules\":{}}"

static void a_plan_keeps_what_it_does_not_know(void **state)
{
    static const struct {
        const char *derived, *actual;
        bool is_pruned;
        size_t keep, add, remove, foreign;
    } cases[] = {
        {"[]", "[]", false, 0, 0, 0, 0},
        {"[" ALLOW "]", "[]", false, 0, 1, 0, 0},
        {"[" ALLOW "]", "[" ALLOW "]", false, 1, 0, 0, 0},
        {"[" ALLOW "]", "[" OTHER "]", false, 0, 1, 0, 1},
        {"[" ALLOW "]", "[" OTHER "]", true, 0, 1, 1, 0},
        {"[" ALLOW "]", "[" OTHER "," ALLOW "]", true, 1, 0, 1, 0},
        /* what a new issuer has; beside others, somebody means it */
        {"[" ALLOW "]", "[" DENY "]", false, 0, 1, 1, 0},
        {"[]", "[" DENY "]", false, 0, 0, 0, 1},
        {"[" ALLOW "]", "[" DENY "," OTHER "]", false, 0, 1, 0, 2},
        {"[" DENY "]", "[" DENY "]", false, 1, 0, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct auth_policies derived, actual;
        struct plan plan;
        json_t *body;

        read_list(cases[i].derived, &derived);
        read_list(cases[i].actual, &actual);
        assert_int_equal(plan_make(&derived, &actual, cases[i].is_pruned, &plan), 0);
        if (plan.counts[PLAN_KEEP] != cases[i].keep || plan.counts[PLAN_ADD] != cases[i].add ||
            plan.counts[PLAN_REMOVE] != cases[i].remove ||
            plan.counts[PLAN_FOREIGN] != cases[i].foreign)
            fail_msg("case %zu", i);
        assert_int_equal(plan_has_changes(&plan), cases[i].add + cases[i].remove > 0);
        body = plan_body(&plan);
        assert_int_equal(json_array_size(json_object_get(body, "policies")),
                         cases[i].keep + cases[i].add + cases[i].foreign);
        json_decref(body);
        plan_done(&plan);
        auth_policies_done(&derived);
        auth_policies_done(&actual);
    }
}

static void a_policy_is_about_its_type_and_target_of_tokens(void **state)
{
    static const struct {
        const char *policy;
        struct requested_token token;
        bool expected;
    } cases[] = {
        {"{\"decision\":\"allow\",\"tokenType\":\"organization\"}",
         {"organization", NULL, false},
         true},
        {"{\"decision\":\"allow\",\"tokenType\":\"organization\"}", {"team", "core", false}, false},
        {"{\"decision\":\"allow\",\"tokenType\":\"team\",\"teamName\":\"core\"}",
         {"team", "core", false},
         true},
        {"{\"decision\":\"allow\",\"tokenType\":\"team\",\"teamName\":\"core\"}",
         {"team", "web", false},
         false},
        {"{\"decision\":\"allow\",\"tokenType\":\"team\",\"teamName\":\"c*\"}",
         {"team", "core", false},
         true},
        {"{\"decision\":\"allow\",\"tokenType\":\"team\"}", {"team", "core", false}, false},
        {"{\"decision\":\"allow\",\"tokenType\":\"team\",\"userLogin\":\"core\"}",
         {"team", "core", false},
         false},
        {"{\"decision\":\"deny\",\"tokenType\":\"personal\",\"userLogin\":\"a\"}",
         {"personal", "a", false},
         true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct auth_policies policies;
        char text[256];

        snprintf(text, sizeof(text), "[%s]", cases[i].policy);
        read_list(text, &policies);
        assert_int_equal(auth_policy_applies(&policies.list[0], &cases[i].token),
                         cases[i].expected);
        auth_policies_done(&policies);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sections_become_policies),
        cmocka_unit_test(what_cannot_be_said_upstream_is_an_error),
        cmocka_unit_test(policies_that_mean_the_same_are_equal),
        cmocka_unit_test(policies_of_a_kind_that_is_not_known_are_kept),
        cmocka_unit_test(a_plan_keeps_what_it_does_not_know),
        cmocka_unit_test(a_policy_is_about_its_type_and_target_of_tokens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
