/* The rules of a service: claim paths, patterns, and how sections are combined. */
#include "policy/policy.h"
#include "support/check.h"

static const char claims_text[] =
    "{\"aud\":[\"urn:pulumi:org:acme\",\"second\"],\"sub\":\"system:serviceaccount:ci:runner\","
    "\"number\":42,\"negative\":-1,\"yes\":true,\"no\":false,\"nothing\":null,\"real\":1.5,"
    "\"empty\":\"\",\"none\":[],\"mixed\":[1,true,null,{\"x\":\"y\"},[\"deep\"],\"last\"],"
    "\"a b\":\"blank\",\"a=b\":\"equals\",\"\xc3\xa4\":\"\xc3\xb6\",\"star\":\"*\","
    "\"d1\":{\"d2\":{\"d3\":{\"d4\":{\"d5\":{\"d6\":{\"d7\":\"deep\"}}}}}},"
    "\"list\":[{\"name\":\"x\"}],"
    "\"kubernetes.io\":{\"namespace\":\"ci\",\"pod\":{\"name\":\"job-abc\",\"uid\":\"3227\"},"
    "\"serviceaccount\":{\"name\":\"pulumi-runner\",\"uid\":\"bece\"}},"
    "\"kubernetes\":{\"io\":{\"namespace\":\"elsewhere\"}}}";

static struct json_value *claims(void)
{
    struct json_value *json = json_value_read(claims_text, strlen(claims_text));

    assert_non_null(json);
    return json;
}

static void a_rule_matches_the_claim_at_its_path(void **state)
{
    static const struct {
        const char *path, *pattern;
        bool expected;
    } cases[] = {
        {"sub", "system:serviceaccount:ci:runner", true},
        {"sub", "system:serviceaccount:ci:*", true},
        {"sub", "system:serviceaccount:c", false},
        {"\"sub\"", "system*", true},
        {"Sub", "*", false},
        {"\"kubernetes.io\".namespace", "ci", true},
        {"\"kubernetes.io\".namespace", "CI", false},
        {"\"kubernetes.io\".namespace", "elsewhere", false},
        {"\"kubernetes.io\".\"namespace\"", "ci", true},
        {"kubernetes.io.namespace", "ci", false},
        {"kubernetes.io.namespace", "elsewhere", true},
        {"\"kubernetes.io.namespace\"", "*", false},
        {"\"kubernetes.io\".serviceaccount.name", "pulumi-*", true},
        {"\"kubernetes.io\".serviceaccount.name", "pulumi-", false},
        {"\"kubernetes.io\".pod.name", "job-...", true},
        {"\"kubernetes.io\".pod.name", "job-..", false},
        {"\"kubernetes.io\".pod", "*", false},
        {"\"kubernetes.io\"", "*", false},
        {"\"kubernetes.io\".pod.name.more", "*", false},
        {"\"kubernetes.io\".node.name", "*", false},
        {"absent", "*", false},
        {"absent.deeper", "*", false},
        {"aud", "urn:pulumi:org:acme", true},
        {"aud", "second", true},
        {"aud", "third", false},
        {"aud", "urn*second", false},
        {"aud.0", "*", false},
        {"none", "*", false},
        {"mixed", "last", true},
        {"mixed", "1", true},
        {"mixed", "true", true},
        {"mixed", "y", false},
        {"mixed", "deep", false},
        {"mixed", "null", false},
        {"mixed", "", false},
        {"list.name", "x", false},
        {"number", "42", true},
        {"number", "4*", true},
        {"number", "42.0", false},
        {"number", "042", false},
        {"negative", "-1", true},
        {"yes", "true", true},
        {"yes", "1", false},
        {"no", "false", true},
        {"no", "", false},
        {"nothing", "*", false},
        {"nothing", "null", false},
        {"nothing", "", false},
        {"real", "*", false},
        {"empty", "", true},
        {"empty", "*", true},
        {"empty", ".", false},
        {"a b", "blank", true},
        {"a=b", "equals", true},
        {"\xc3\xa4", "\xc3\xb6", true},
        {"star", "*", true},
        {"d1.d2.d3.d4.d5.d6.d7", "deep", true},
    };
    CLEANUP(freep)
    struct json_value *json = claims();

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const char *error;
        struct rule rule;

        assert_int_equal(rule_init(&rule, cases[i].path, cases[i].pattern, &error), 0);
        if (rule_matches(&rule, json) != cases[i].expected)
            fail_msg("%s=%s: not %d", cases[i].path, cases[i].pattern, cases[i].expected);
        rule_done(&rule);
    }
}

static void invalid_paths_and_patterns_are_refused_with_a_reason(void **state)
{
    static const struct {
        const char *path, *pattern, *reason;
    } cases[] = {
        {"", "x", "a claim path is"},
        {".", "x", "a claim path is"},
        {".a", "x", "a claim path is"},
        {"a.", "x", "a claim path is"},
        {"a..b", "x", "a claim path is"},
        {"\"", "x", "a claim path is"},
        {"\"a", "x", "a claim path is"},
        {"a\"", "x", "a claim path is"},
        {"a\"b\"", "x", "a claim path is"},
        {"\"a\"b", "x", "a claim path is"},
        {"\"\"", "x", "a claim path is"},
        {"a.\"\"", "x", "a claim path is"},
        {"\"a\".", "x", "a claim path is"},
        {"\"a\"\"b\"", "x", "a claim path is"},
        {"1.2.3.4.5.6.7.8.9", "x", "at most 8"},
        {"1.2.3.4.5.6.7.8.", "x", "at most 8"},
        {"a", "\xff", "not valid UTF-8"},
        {"a", "x\xc3", "not valid UTF-8"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(freep)
        char *path = copy_of(cases[i].path, strlen(cases[i].path) + 1);
        CLEANUP(freep)
        char *pattern = copy_of(cases[i].pattern, strlen(cases[i].pattern) + 1);
        const char *error = NULL;
        struct rule rule;

        if (rule_init(&rule, path, pattern, &error) != -EINVAL || !strstr(error, cases[i].reason))
            fail_msg("%s=%s: %s", cases[i].path, cases[i].pattern, error);
        assert_int_equal(rule.n_path, 0);
    }
}

static void a_path_has_at_most_eight_names(void **state)
{
    const char *error;
    struct rule rule;

    (void)state;
    assert_int_equal(rule_init(&rule, "1.2.3.4.\"5\".6.7.8", "x", &error), 0);
    assert_int_equal(rule.n_path, 8);
    assert_string_equal(rule.path[4], "5");
    rule_done(&rule);
}

static void a_pattern_of_513_characters_is_refused(void **state)
{
    char pattern[WILDCARD_MAX + 2];
    const char *error;
    struct rule rule;

    (void)state;
    memset(pattern, 'x', sizeof(pattern));
    pattern[WILDCARD_MAX + 1] = '\0';
    assert_int_equal(rule_init(&rule, "a", pattern, &error), -EINVAL);
    assert_non_null(strstr(error, "512"));
}

static void every_truncation_of_a_path_is_read_within_its_bytes(void **state)
{
    static const char whole[] = "\"kubernetes.io\".pod.\"name\".x";

    (void)state;
    for (size_t cut = 0; cut < sizeof(whole); cut++) {
        CLEANUP(freep)
        char *exact = copy_of(whole, cut + 1);
        const char *error;
        struct rule rule;

        exact[cut] = '\0';
        if (rule_init(&rule, exact, "*", &error) == 0)
            rule_done(&rule);
    }
}

/* "+" begins an Allow section, "-" a Deny section; its rules follow. */
struct policy_case {
    const char *why;
    const char *lines[12];
    enum verdict expected;
    const char *section; /* the section that decides; NULL: none */
};

static void policy_build(struct policy *policy, const char *const *lines)
{
    for (; *lines; lines++) {
        const char *equals = strchr(*lines, '='), *error;
        CLEANUP(freep)
        char *path = NULL;

        if (**lines == '+' || **lines == '-') {
            assert_non_null(policy_add_section(policy, *lines + 1, **lines == '-'));
            continue;
        }
        path = strndup(*lines, (size_t)(equals - *lines));
        assert_int_equal(
            rule_section_add(&policy->sections[policy->n_sections - 1], path, equals + 1, &error),
            0);
    }
}

static void sections_are_combined(void **state)
{
    static const struct policy_case cases[] = {
        {"no section matches nothing", {NULL}, VERDICT_DENY_UNMATCHED, NULL},
        {"an Allow that matches", {"+a", "sub=*"}, VERDICT_ALLOW, "a"},
        {"an Allow that does not", {"+a", "sub=x"}, VERDICT_DENY_UNMATCHED, NULL},
        {"all rules of a section", {"+a", "sub=*", "yes=true"}, VERDICT_ALLOW, "a"},
        {"the last rule fails", {"+a", "sub=*", "yes=false"}, VERDICT_DENY_UNMATCHED, NULL},
        {"the first rule fails", {"+a", "yes=false", "sub=*"}, VERDICT_DENY_UNMATCHED, NULL},
        {"a rule on a missing claim", {"+a", "sub=*", "absent=*"}, VERDICT_DENY_UNMATCHED, NULL},
        {"one matching Allow is enough", {"+a", "sub=x", "+b", "sub=*"}, VERDICT_ALLOW, "b"},
        {"the first Allow is named", {"+a", "sub=*", "+b", "sub=*"}, VERDICT_ALLOW, "a"},
        {"a Deny after it wins", {"+a", "sub=*", "-d", "sub=*"}, VERDICT_DENY, "d"},
        {"a Deny before it wins", {"-d", "sub=*", "+a", "sub=*"}, VERDICT_DENY, "d"},
        {"a Deny in between", {"+a", "sub=*", "-d", "sub=*", "+b", "sub=*"}, VERDICT_DENY, "d"},
        {"a Deny needs all its rules",
         {"+a", "sub=*", "-d", "sub=*", "yes=false"},
         VERDICT_ALLOW,
         "a"},
        {"a Deny on a missing claim", {"+a", "sub=*", "-d", "absent=*"}, VERDICT_ALLOW, "a"},
        {"the second Deny", {"+a", "sub=*", "-d", "sub=x", "-e", "sub=*"}, VERDICT_DENY, "e"},
        {"only a Deny", {"-d", "sub=x"}, VERDICT_DENY_UNMATCHED, NULL},
        {"only a Deny that matches", {"-d", "sub=*"}, VERDICT_DENY, "d"},
        {"an empty Allow matches nothing", {"+a"}, VERDICT_DENY_UNMATCHED, NULL},
        {"an empty Deny matches nothing", {"+a", "sub=*", "-d"}, VERDICT_ALLOW, "a"},
        {"rules of two sections do not mix",
         {"+a", "sub=*", "yes=false", "+b", "sub=x", "yes=true"},
         VERDICT_DENY_UNMATCHED,
         NULL},
    };
    CLEANUP(freep)
    struct json_value *json = claims();

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct policy policy = {0};
        const struct rule_section *section = (void *)&policy;

        policy_build(&policy, cases[i].lines);
        if (policy_judge(&policy, json, &section) != cases[i].expected)
            fail_msg("%s: not %d", cases[i].why, cases[i].expected);
        if (cases[i].section)
            assert_string_equal(section->name, cases[i].section);
        else
            assert_null(section);
        policy_done(&policy);
    }
}

static void a_refused_rule_does_not_change_the_section(void **state)
{
    CLEANUP(freep)
    struct json_value *json = claims();
    const struct rule_section *section;
    struct policy policy = {0};
    const char *error;

    (void)state;
    policy_build(&policy, (const char *const[]){"+a", "sub=*", NULL});
    assert_int_equal(rule_section_add(&policy.sections[0], "a..b", "x", &error), -EINVAL);
    assert_int_equal(policy.sections[0].n_rules, 1);
    assert_int_equal(policy_judge(&policy, json, &section), VERDICT_ALLOW);
    policy_done(&policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rule_matches_the_claim_at_its_path),
        cmocka_unit_test(invalid_paths_and_patterns_are_refused_with_a_reason),
        cmocka_unit_test(a_path_has_at_most_eight_names),
        cmocka_unit_test(a_pattern_of_513_characters_is_refused),
        cmocka_unit_test(every_truncation_of_a_path_is_read_within_its_bytes),
        cmocka_unit_test(sections_are_combined),
        cmocka_unit_test(a_refused_rule_does_not_change_the_section),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
