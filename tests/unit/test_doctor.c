/* What podloginctl doctor decides about clocks, limits, keys, failures and namespaces. */
#include "ctl/doctor_decide.h"
#include "ctl/remedy.h"
#include "support/check.h"

static void a_clock_differs_beyond_the_time_of_the_request(void **state)
{
    static const struct {
        int64_t date_s, before_s, after_s, expected;
    } cases[] = {
        {100, 100, 100, 0},  {99, 100, 100, 0},     {101, 100, 100, 0}, {104, 100, 108, 0},
        {109, 100, 108, 0},  {110, 100, 108, 2},    {98, 100, 108, -2}, {40, 100, 101, -60},
        {0, 100, 101, -100}, {1000, 100, 101, 899},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(clock_skew_s(cases[i].date_s, cases[i].before_s, cases[i].after_s),
                         cases[i].expected);
    assert_int_equal(judge_skew(0).result, DOCTOR_OK);
    assert_int_equal(judge_skew(5).result, DOCTOR_OK);
    assert_int_equal(judge_skew(6).result, DOCTOR_WARNING);
    assert_int_equal(judge_skew(-30).result, DOCTOR_WARNING);
    assert_int_equal(judge_skew(31).result, DOCTOR_FAILED);
    assert_int_equal(judge_skew(-31).result, DOCTOR_FAILED);
}

static const char limits[] =
    "Limit                     Soft Limit           Hard Limit           Units     \n"
    "Max core file size        0                    0                    bytes     \n"
    "Max open files            1024                 524288               files     \n"
    "Max locked memory         8388608              unlimited            bytes     \n";

static void limits_are_found_in_the_kernel_s_table(void **state)
{
    uint64_t soft, hard;

    (void)state;
    assert_true(limit_read(limits, "Max open files", &soft, &hard));
    assert_int_equal(soft, 1024);
    assert_int_equal(hard, 524288);
    assert_true(limit_read(limits, "Max locked memory", &soft, &hard));
    assert_int_equal(soft, 8 << 20);
    assert_true(hard == UINT64_MAX);
    assert_false(
        limit_read(limits, "open files", &soft, &hard)); /* not at the beginning of a line */
    assert_false(limit_read(limits, "Max nice priority", &soft, &hard));
    assert_false(limit_read("", "Max open files", &soft, &hard));
    assert_false(limit_read("Max open files", "Max open files", &soft, &hard));
    assert_false(limit_read("Max open files 1", "Max open files", &soft, &hard));
}

static void numbers_are_found_in_the_status_of_a_process(void **state)
{
    static const char status[] =
        "Name:\tpodlogind\nUid:\t998\t998\t998\t998\nCapEff:\t0000000000004000\n";
    uint64_t number;

    (void)state;
    assert_true(process_status_read(status, "Uid:", 10, &number));
    assert_int_equal(number, 998);
    assert_true(process_status_read(status, "CapEff:", 16, &number));
    assert_int_equal(number, 0x4000);
    assert_false(process_status_read(status, "Name:", 10, &number));
    assert_false(process_status_read(status, "CapPrm:", 16, &number));
}

static void a_key_that_is_younger_than_the_database_of_this_boot_was_lost(void **state)
{
    (void)state;
    assert_true(key_was_lost(1000, 2000, 3000));
    assert_false(key_was_lost(1000, 2000, 1999)); /* as the daemon makes them */
    assert_false(key_was_lost(1000, 2000, 2001)); /* rounded */
    assert_false(key_was_lost(1000, 500, 1100));  /* the machine booted since */
}

static void a_failure_has_the_exit_code_of_its_kind(void **state)
{
    static const struct {
        const char *detail;
        enum exit_code code;
    } cases[] = {
        {"cannot fetch the key set: HTTP 403 without a token", EXIT_CODE_REFUSED},
        {"cannot fetch the key set: HTTP 401", EXIT_CODE_REFUSED},
        {"SSL certificate problem: self-signed certificate", EXIT_CODE_REFUSED},
        {"cannot read the CA file /ca: Permission denied", EXIT_CODE_CONFIG},
        {"the CA file has no valid certificate", EXIT_CODE_CONFIG},
        {"cannot fetch the key set: HTTP 503", EXIT_CODE_UNREACHABLE},
        {"Could not resolve host: x", EXIT_CODE_UNREACHABLE},
        {"", EXIT_CODE_UNREACHABLE},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct doctor_verdict verdict = judge_failure(PODLOGIN_ISSUER_UNAVAILABLE, cases[i].detail);

        assert_int_equal(verdict.result, DOCTOR_FAILED);
        if (verdict.code != cases[i].code)
            fail_msg("%s: %d", cases[i].detail, verdict.code);
        assert_string_equal(verdict.remedy,
                            remedy_find(PODLOGIN_ISSUER_UNAVAILABLE, cases[i].detail));
    }
}

static void a_namespace_that_enforces_a_level_refuses_volumes_of_the_node(void **state)
{
    static const struct {
        const char *labels, *level;
        enum doctor_result result;
    } cases[] = {
        {"{}", "", DOCTOR_OK},
        {"{\"pod-security.kubernetes.io/enforce\":\"privileged\"}", "privileged", DOCTOR_OK},
        {"{\"pod-security.kubernetes.io/enforce\":\"baseline\"}", "baseline", DOCTOR_FAILED},
        {"{\"pod-security.kubernetes.io/enforce\":\"restricted\"}", "restricted", DOCTOR_FAILED},
        {"{\"pod-security.kubernetes.io/warn\":\"restricted\"}", "", DOCTOR_OK},
        {"{\"pod-security.kubernetes.io/enforce\":7}", "", DOCTOR_OK},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        json_t *labels = json_loads(cases[i].labels, 0, NULL);
        json_t *namespace = json_pack("{s:{s:o}}", "metadata", "labels", labels);
        const char *level;

        assert_int_equal(judge_namespace(namespace, &level).result, cases[i].result);
        assert_string_equal(level, cases[i].level);
        json_decref(namespace);
    }
}

static void each_status_has_a_remedy_and_the_general_one_is_last(void **state)
{
    const struct status_info *statuses;
    const struct remedy *remedies;
    size_t n_statuses, n;

    (void)state;
    statuses = status_table(&n_statuses);
    remedies = remedy_table(&n);
    for (size_t i = 0; i < n_statuses; i++)
        if (statuses[i].status != PODLOGIN_OK)
            assert_true(*remedy_find(statuses[i].status, NULL));
    for (size_t i = 0; i < n; i++) {
        bool is_last = i + 1 == n || remedies[i + 1].status != remedies[i].status;

        assert_int_equal(remedies[i].symptom == NULL, is_last);
        assert_ptr_equal(remedy_find(remedies[i].status, remedies[i].symptom), remedies[i].text);
        assert_null(strpbrk(remedies[i].text, "|\n`"));
    }
    assert_string_equal(remedy_find(PODLOGIN_OK, ""), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clock_differs_beyond_the_time_of_the_request),
        cmocka_unit_test(limits_are_found_in_the_kernel_s_table),
        cmocka_unit_test(numbers_are_found_in_the_status_of_a_process),
        cmocka_unit_test(a_key_that_is_younger_than_the_database_of_this_boot_was_lost),
        cmocka_unit_test(a_failure_has_the_exit_code_of_its_kind),
        cmocka_unit_test(a_namespace_that_enforces_a_level_refuses_volumes_of_the_node),
        cmocka_unit_test(each_status_has_a_remedy_and_the_general_one_is_last),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
