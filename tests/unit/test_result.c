/*
 * Results from the exchanger: the broker uses no name, value or lifetime that it has not checked.
 * The exchanger talks to servers, and one of them may have compromised it.
 */
#include "broker/result.h"

#include "base/clock.h"
#include "protocol/messages.h"
#include "support/check.h"

#define NOW_S INT64_C(1800000000)

/* --- instead of base/clock.c --- */

struct now clock_now(void)
{
    return (struct now){.wall_s = NOW_S};
}

/* --- tests --- */

static const struct service pulumi = {.provider = &provider_pulumi};

static struct job_result good(void)
{
    return (struct job_result){
        .outcome = OUTCOME_OK,
        .token = wire_string("pul-secret"),
        .token_type = wire_string("token"),
        .variable = wire_string("PULUMI_ACCESS_TOKEN"),
        .attributes = {.item = {wire_string("PULUMI_BACKEND_URL=https://host")}, .n = 1},
        .expires_in_s = 7200,
    };
}

static bool passes(const struct job_result *result)
{
    char detail[256] = "";
    bool is_good = result_check(result, &pulumi, detail, sizeof(detail));

    assert_int_equal(is_good, !detail[0]);
    assert_null(strstr(detail, "secret")); /* no value appears in the detail */
    return is_good;
}

static void a_result_that_matches_the_provider_is_accepted(void **state)
{
    struct job_result result = good();

    (void)state;
    assert_true(passes(&result));
    result.attributes.n = 0;
    assert_true(passes(&result));
    result.expires_in_s = 0;
    result.expires_at_s = NOW_S + 1;
    assert_true(passes(&result));
}

static void names_must_be_those_of_the_provider(void **state)
{
    static const char *const names[] = {
        "",     "PULUMI_ACCESS_TOKEN2", "PULUMI_ACCESS_TOKE",   "pulumi_access_token",
        "PATH", "LD_PRELOAD",           "PULUMI_ACCESS_TOKEN ", "AWS_SESSION_TOKEN",
    };
    static const char *const attributes[] = {
        "LD_PRELOAD=/tmp/secret.so", "PATH=/tmp", "BASH_ENV=/tmp/x", "=x", "PULUMI_BACKEND_URL",
        "PULUMI_BACKEND_URL2=x",     "",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct job_result result = good();

        result.variable = wire_string(names[i]);
        if (passes(&result))
            fail_msg("variable \"%s\"", names[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(attributes); i++) {
        struct job_result result = good();

        result.attributes.item[1] = wire_string(attributes[i]);
        result.attributes.n = 2;
        if (passes(&result))
            fail_msg("attribute \"%s\"", attributes[i]);
    }
}

static void values_must_be_printable_and_not_too_long(void **state)
{
    static const char *const tokens[] = {"", "a b", "a\n", "secret\x7f", "se\xc3\xa9ret", "a\t"};
    static uint8_t text[PODLOGIN_TOKEN_MAX + 1];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(tokens); i++) {
        struct job_result result = good();

        result.token = wire_string(tokens[i]);
        assert_false(passes(&result));
        result = good();
        result.token_type = wire_string(tokens[i]);
        assert_false(passes(&result));
    }
    memset(text, 'x', sizeof(text));
    for (size_t len = PODLOGIN_TOKEN_MAX; len <= PODLOGIN_TOKEN_MAX + 1; len++) {
        struct job_result result = good();

        result.token = wire_bytes(text, len);
        assert_int_equal(passes(&result), len == PODLOGIN_TOKEN_MAX);
    }
    for (int i = 0; i < 2; i++) {
        static const char *const attributes[] = {"PULUMI_BACKEND_URL=a\nLD_PRELOAD=secret",
                                                 "PULUMI_BACKEND_URL=\xff"};
        struct job_result result = good();

        result.attributes.item[0] = wire_string(attributes[i]);
        assert_false(passes(&result));
    }
    {
        struct job_result result = good();

        result.attributes.item[0] = wire_bytes("PULUMI_BACKEND_URL=a\0b", 22);
        assert_false(passes(&result));
    }
}

static void a_result_has_a_lifetime_in_at_least_one_form(void **state)
{
    static const struct {
        uint32_t expires_in_s;
        uint64_t expires_at_s;
        uint32_t expected_s;
    } cases[] = {
        {7200, 0, 7200},
        {0, NOW_S + 7200, 7200},
        {7200, NOW_S + 60, 60},
        {60, NOW_S + 7200, 60},
        {0, 0, 0},
        {0, NOW_S, 0},
        {7200, NOW_S, 0},
        {7200, NOW_S - 1, 0},
        {0, 1, 0},
        {UINT32_MAX, 0, TOKEN_LIFETIME_MAX_S},
        {0, INT64_MAX, TOKEN_LIFETIME_MAX_S},
        {0, UINT64_MAX, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct job_result result = good();

        result.expires_in_s = cases[i].expires_in_s;
        result.expires_at_s = cases[i].expires_at_s;
        if (result_lifetime_s(&result, NOW_S) != cases[i].expected_s)
            fail_msg("%zu: %u", i, result_lifetime_s(&result, NOW_S));
        assert_int_equal(passes(&result), cases[i].expected_s > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_result_that_matches_the_provider_is_accepted),
        cmocka_unit_test(names_must_be_those_of_the_provider),
        cmocka_unit_test(values_must_be_printable_and_not_too_long),
        cmocka_unit_test(a_result_has_a_lifetime_in_at_least_one_form),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
