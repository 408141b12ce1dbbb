/* The handle of the library: how it explains statuses. */
#include "library/login.h"
#include "library/podlogin.h"
#include "protocol/status.h"
#include "support/scratch.h"

static const char missing[] = "/nonexistent/podlogin/token";

static int clear_environment(void **state)
{
    (void)state;
    unsetenv("PODLOGIN_SERVICE");
    unsetenv("PODLOGIN_SOCKET");
    unsetenv("PODLOGIN_TIMEOUT");
    unsetenv("PODLOGIN_MIN_TTL");
    unsetenv("PODLOGIN_SERVER_UID");
    return 0;
}

static struct podlogin *login_without_token(void)
{
    struct podlogin *login;

    assert_int_equal(podlogin_start("pulumi", &login), PODLOGIN_OK);
    assert_int_equal(podlogin_set_token_file(login, missing), PODLOGIN_OK);
    return login;
}

static void the_text_of_an_error_explains_its_own_status_only(void **state)
{
    struct podlogin *login = login_without_token();
    const struct status_info *table;
    size_t n;

    (void)state;
    assert_int_equal(podlogin_authenticate(login), PODLOGIN_NO_SUBJECT_TOKEN);
    assert_non_null(strstr(podlogin_strerror(login, PODLOGIN_NO_SUBJECT_TOKEN), missing));
    table = status_table(&n);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(podlogin_strerror(NULL, table[i].status), table[i].sentence);
        if (table[i].status != PODLOGIN_NO_SUBJECT_TOKEN)
            assert_string_equal(podlogin_strerror(login, table[i].status), table[i].sentence);
    }
    podlogin_end(login);
}

static void an_earlier_error_does_not_explain_a_later_one(void **state)
{
    struct podlogin *login = login_without_token();
    struct podlogin_token *token = NULL;

    (void)state;
    assert_int_equal(podlogin_authenticate(login), PODLOGIN_NO_SUBJECT_TOKEN);
    assert_int_equal(podlogin_get_token(login, &token), PODLOGIN_BAD_ARGUMENT);
    assert_null(token);
    assert_string_equal(podlogin_strerror(login, PODLOGIN_BAD_ARGUMENT),
                        status_info(PODLOGIN_BAD_ARGUMENT)->sentence);
    assert_int_equal(podlogin_set_socket(login, "/nonexistent/podlogin.sock"), PODLOGIN_OK);
    assert_int_equal(podlogin_set_timeout(login, 1), PODLOGIN_OK);
    assert_int_equal(podlogin_wait(login), PODLOGIN_UNREACHABLE);
    assert_non_null(strstr(podlogin_strerror(login, PODLOGIN_UNREACHABLE), "/nonexistent/"));
    assert_string_equal(podlogin_strerror(login, PODLOGIN_NO_SUBJECT_TOKEN),
                        status_info(PODLOGIN_NO_SUBJECT_TOKEN)->sentence);
    podlogin_end(login);
}

/* Neither a setting of the environment counts, nor one that is wrong. */
static void a_guest_can_start_without_the_environment(void **state)
{
    struct environment environment = environment_default();
    struct podlogin *login;

    (void)state;
    setenv("PODLOGIN_SERVICE", "theirs", 1);
    setenv("PODLOGIN_SOCKET", "/nonexistent/theirs", 1);
    setenv("PODLOGIN_TIMEOUT", "never", 1);
    assert_int_equal(podlogin_start("pulumi", &login), PODLOGIN_BAD_ARGUMENT);
    assert_null(environment_set(&environment, "PODLOGIN_SOCKET", "/nonexistent/ours"));
    assert_null(environment_set(&environment, "PODLOGIN_TIMEOUT", "1ms"));
    assert_non_null(environment_set(&environment, "PODLOGIN_TIMEOUT", "never"));
    assert_non_null(environment_set(&environment, "PODLOGIN_SERVICE", "ours"));
    assert_int_equal(login_start(&environment, &login), PODLOGIN_OK);
    assert_string_equal(podlogin_service(login), "pulumi");
    assert_int_equal(podlogin_wait(login), PODLOGIN_UNREACHABLE);
    assert_non_null(strstr(podlogin_strerror(login, PODLOGIN_UNREACHABLE), "/nonexistent/ours"));
    podlogin_end(login);
    clear_environment(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_text_of_an_error_explains_its_own_status_only),
        cmocka_unit_test(an_earlier_error_does_not_explain_a_later_one),
        cmocka_unit_test(a_guest_can_start_without_the_environment),
    };

    return cmocka_run_group_tests(tests, clear_environment, NULL);
}
