/* Which rules cover which: known cases, and random rules and tokens that try to refute it. */
#include <jansson.h>
#include <stdlib.h>

#include "cloud/cover.h"
#include "support/check.h"

#define NS  "\"kubernetes.io\".namespace"
#define SA  "\"kubernetes.io\".serviceaccount.name"
#define POD "\"kubernetes.io\".pod.name"

static const struct issuer_config issuer = {.url = (char *)"https://issuer.example/id/1"};
static const struct service service = {.audience = (char *)"aud", .issuer = &issuer};

/* Reads "PATH=PATTERN" texts as rules of one section. */
static void read_section(const char *const *lines, struct policy *policy)
{
    struct rule_section *section = policy_add_section(policy, "", false);

    assert_non_null(section);
    for (; *lines; lines++) {
        const char *equals = strchr(*lines, '='), *error;
        char *path = strndup(*lines, (size_t)(equals - *lines));

        assert_int_equal(rule_section_add(section, path, equals + 1, &error), 0);
        free(path);
    }
}

static void known_sections_cover_or_do_not(void **state)
{
    static const struct {
        const char *outer[4], *inner[4];
        bool covers, excludes;
    } cases[] = {
        {{0}, {0}, true, false},
        {{0}, {NS "=ci"}, true, false},
        {{NS "=ci"}, {0}, false, false},
        {{NS "=ci"}, {NS "=ci"}, true, false},
        {{NS "=ci"}, {NS "=prod"}, false, true},
        {{NS "=c*"}, {NS "=ci"}, true, false},
        {{NS "=ci"}, {NS "=c*"}, false, false},
        {{NS "=*"}, {0}, true, false},
        {{NS "=ci"}, {NS "=ci", SA "=a"}, true, false},
        {{NS "=ci", SA "=a"}, {NS "=ci"}, false, false},
        {{"sub=system:serviceaccount:ci:a"}, {NS "=ci", SA "=a"}, true, false},
        {{"sub=system:serviceaccount:ci:*"}, {NS "=ci"}, true, false},
        {{"sub=system:serviceaccount:*"}, {0}, true, false},
        {{"sub=system:serviceaccount:ci:a"}, {NS "=ci"}, false, false},
        {{"sub=system:serviceaccount:ci:a"}, {NS "=ci", SA "=b"}, false, true},
        {{NS "=ci", SA "=a"}, {"sub=system:serviceaccount:ci:a"}, true, false},
        {{NS "=ci"}, {"sub=system:serviceaccount:*:a"}, false, false},
        {{NS "=ci"}, {"sub=system:serviceaccount:prod:a"}, false, true},
        {{NS "=ci"}, {"sub=system:*"}, false, false},
        {{NS "=ci"}, {"sub=system:serviceaccount:ci:a:b"}, false, false},
        {{"aud=aud"}, {0}, true, false},
        {{"aud=a*"}, {0}, true, false},
        {{"aud=other"}, {0}, false, false},
        {{"aud=other"}, {"aud=aud"}, false, false},
        {{"iss=https://issuer.example/id/1"}, {0}, true, false},
        {{"iss=https://other"}, {0}, false, false},
        {{POD "=*"}, {0}, false, false},
        {{POD "=debug-*"}, {POD "=job-1"}, false, true},
        {{POD "=job-*"}, {POD "=job-?"}, true, false},
        {{"exp=*"}, {0}, false, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct policy outer = {0}, inner = {0};

        read_section(cases[i].outer, &outer);
        read_section(cases[i].inner, &inner);
        if (section_covers(outer.sections, inner.sections, &service) != cases[i].covers ||
            section_excludes(outer.sections, inner.sections) != cases[i].excludes ||
            section_excludes(inner.sections, outer.sections) != cases[i].excludes)
            fail_msg("case %zu", i);
        policy_done(&outer);
        policy_done(&inner);
    }
}

static void claims_that_differ_between_pods(void **state)
{
    static const struct {
        const char *line;
        bool expected;
    } cases[] = {
        {NS "=x", false},
        {SA "=x", false},
        {"\"kubernetes.io\".serviceaccount.uid=x", false},
        {"sub=x", false},
        {"aud=x", false},
        {POD "=x", true},
        {"\"kubernetes.io\".pod.uid=x", true},
        {"\"kubernetes.io\".node.name=x", true},
        {"\"kubernetes.io\".node.uid=x", true},
        {"exp=x", true},
        {"jti=x", true},
        {"iat=x", true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const char *lines[] = {cases[i].line, NULL};
        struct policy policy = {0};

        read_section(lines, &policy);
        assert_int_equal(rule_is_about_pod(policy.sections[0].rules), cases[i].expected);
        policy_done(&policy);
    }
}

static const char *one_of(const char *const *texts, size_t n)
{
    return texts[(size_t)random() % n];
}

static const char *const names[] = {"a", "b", "ab", "ba", "a-b", "aa"};
static const char *const patterns[] = {"a",  "b", "ab", "a*", "*a",  "*", "?",
                                       "a?", ".", ".*", "a.", "*-*", "?b"};

/* Adds up to three random rules, each about another claim. */
static void random_section(struct policy *policy)
{
    static const char *const paths[] = {NS, SA, POD};
    struct rule_section *section = policy_add_section(policy, "", false);
    const char *error;

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
        if (random() % 2)
            assert_int_equal(
                rule_section_add(section, paths[i], one_of(patterns, ARRAY_SIZE(patterns)), &error),
                0);
    if (random() % 3 == 0) {
        char text[128];

        snprintf(text, sizeof(text), "system:serviceaccount:%s%s%s",
                 one_of(patterns, ARRAY_SIZE(patterns)), random() % 4 ? ":" : "",
                 one_of(patterns, ARRAY_SIZE(patterns)));
        assert_int_equal(rule_section_add(section, "sub", text, &error), 0);
    }
    if (random() % 4 == 0)
        assert_int_equal(rule_section_add(section, "aud", random() % 2 ? "a*" : "aud", &error), 0);
}

static struct json_value *random_claims(void)
{
    const char *namespace = one_of(names, ARRAY_SIZE(names));
    const char *account = one_of(names, ARRAY_SIZE(names));
    CLEANUP(freep)
    char *text = NULL;
    int len = asprintf(
        &text,
        "{\"iss\":\"%s\",\"sub\":\"system:serviceaccount:%s:%s\",\"aud\":[\"aud\"],"
        "\"kubernetes.io\":{\"namespace\":\"%s\",\"serviceaccount\":{\"name\":\"%s\"},"
        "\"pod\":{\"name\":\"%s\"}}}",
        issuer.url, namespace, account, namespace, account, one_of(names, ARRAY_SIZE(names)));

    assert_true(len > 0);
    return json_value_read(text, (size_t)len);
}

static bool matches(const struct rule_section *section, const struct json_value *claims)
{
    for (size_t i = 0; i < section->n_rules; i++)
        if (!rule_matches(&section->rules[i], claims))
            return false;
    return true;
}

static void no_token_refutes_that_a_section_covers_or_excludes_another(void **state)
{
    size_t n_covered = 0, n_excluded = 0, n_matched = 0;

    (void)state;
    srandom(1);
    for (unsigned i = 0; i < 4000; i++) {
        struct policy outer = {0}, inner = {0};
        bool covers, excludes;

        random_section(&outer);
        random_section(&inner);
        covers = section_covers(outer.sections, inner.sections, &service);
        excludes = section_excludes(outer.sections, inner.sections);
        for (unsigned j = 0; j < 40 && (covers || excludes); j++) {
            struct json_value *claims = random_claims();
            bool is_inner = matches(inner.sections, claims);
            bool is_outer = matches(outer.sections, claims);

            assert_false(covers && is_inner && !is_outer);
            assert_false(excludes && is_inner && is_outer);
            n_matched += is_inner;
            free(claims);
        }
        n_covered += covers;
        n_excluded += excludes;
        policy_done(&outer);
        policy_done(&inner);
    }
    assert_in_range(n_covered, 200, 3000);
    assert_in_range(n_excluded, 100, 3000);
    assert_in_range(n_matched, 1000, 4000 * 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_sections_cover_or_do_not),
        cmocka_unit_test(claims_that_differ_between_pods),
        cmocka_unit_test(no_token_refutes_that_a_section_covers_or_excludes_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
