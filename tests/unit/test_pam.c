/* The PAM module without a stack: arguments, codes, paths, and variables that are wiped. */
#include <errno.h>
#include <security/pam_appl.h>
#include <security/pam_modules.h>

#include "library/subject_token.h"
#include "library/token.h"
#include "pam/arguments.h"
#include "pam/code.h"
#include "pam/fetch.h"
#include "pam/token_path.h"
#include "pam/variables.h"
#include "protocol/status.h"
#include "support/scratch.h"

static bool parse(struct arguments *ret_arguments, struct arguments_fault *ret_fault,
                  const char *const *argv)
{
    int argc = 0;

    while (argv[argc])
        argc++;
    return arguments_parse(argc, argv, ret_arguments, ret_fault);
}

static void each_option_sets_its_own(void **state)
{
    const char *const argv[] = {
        "service=vault.prod", "timeout=1min",     "token_file=/t/%u%%",    "env=CI_TOKEN",
        "socket=/run/x.sock", "min_ttl=1h 30min", "server_uid=4294967294", NULL};
    struct arguments_fault fault;
    struct arguments arguments;

    (void)state;
    assert_true(parse(&arguments, &fault, argv));
    assert_string_equal(arguments.settings.service, "vault.prod");
    assert_int_equal(arguments.settings.timeout_ms, 60000);
    assert_string_equal(arguments.token_file, "/t/%u%%");
    assert_string_equal(arguments.variable, "CI_TOKEN");
    assert_string_equal(arguments.settings.socket, "/run/x.sock");
    assert_int_equal(arguments.settings.min_ttl_s, 5400);
    assert_int_equal(arguments.settings.server_uid, 4294967294);
}

static void without_options_the_defaults_stand(void **state)
{
    struct environment defaults = environment_default();
    struct arguments_fault fault;
    struct arguments arguments;

    (void)state;
    assert_true(arguments_parse(0, NULL, &arguments, &fault));
    assert_string_equal(arguments.settings.service, "pulumi");
    assert_string_equal(arguments.settings.socket, defaults.socket);
    assert_int_equal(arguments.settings.timeout_ms, defaults.timeout_ms);
    assert_int_equal(arguments.settings.min_ttl_s, 0);
    assert_int_equal(arguments.settings.server_uid, 0);
    assert_string_equal(arguments.token_file, SUBJECT_TOKEN_PATH);
    assert_null(arguments.variable);
}

static void what_is_unknown_malformed_or_twice_is_refused(void **state)
{
    static const struct {
        const char *argv[4];
        const char *name;
    } table[] = {
        {{"verbose"}, "verbose"},
        {{""}, ""},
        {{"="}, ""},
        {{"=x"}, ""},
        {{"servic=x"}, "servic"},
        {{"services=x"}, "services"},
        {{"Service=x"}, "Service"},
        {{"service"}, "service"},
        {{"service="}, "service"},
        {{"service=../x"}, "service"},
        {{"timeout=0"}, "timeout"},
        {{"timeout=61s"}, "timeout"},
        {{"timeout=-1"}, "timeout"},
        {{"timeout=1e3"}, "timeout"},
        {{"min_ttl=8d"}, "min_ttl"},
        {{"server_uid=4294967295"}, "server_uid"},
        {{"server_uid=0x0"}, "server_uid"},
        {{"socket=run/x"}, "socket"},
        {{"socket=/"
          "0123456789012345678901234567890123456789012345678901234567890123456789012345678901"
          "23456789012345678901234567"},
         "socket"},
        {{"token_file=x"}, "token_file"},
        {{"token_file=/%"}, "token_file"},
        {{"token_file=/%U"}, "token_file"},
        {{"env=PATH"}, "env"},
        {{"env=PODLOGIN_SOCKET"}, "env"},
        {{"env=a"}, "env"},
        {{"env=A=B"}, "env"},
        {{"service=a", "timeout=1s", "service=a"}, "service"},
        {{"service=a", "token=secret", "timeout=x"}, "token"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        struct arguments_fault fault = {0};
        struct arguments arguments;

        if (parse(&arguments, &fault, table[i].argv))
            fail_msg("%s is accepted", table[i].argv[0]);
        assert_int_equal(fault.name_len, strlen(table[i].name));
        assert_memory_equal(fault.name, table[i].name, strlen(table[i].name));
        assert_null(strstr(fault.problem, "secret"));
    }
}

/* Each status of the table has its row here, so a new one has to be thought of twice. */
static void each_status_has_its_code(void **state)
{
    static const struct {
        int code;
        const char *names;
    } table[] = {
        {PAM_SUCCESS, " OK "},
        {PAM_AUTH_ERR,
         " TOKEN_MALFORMED TOKEN_UNTRUSTED_ISSUER TOKEN_BAD_ALGORITHM TOKEN_UNKNOWN_KEY "
         "TOKEN_BAD_SIGNATURE TOKEN_EXPIRED TOKEN_NOT_YET_VALID TOKEN_WRONG_AUDIENCE "
         "TOKEN_WRONG_NODE TOKEN_REVOKED PEER_MISMATCH PEER_GONE POLICY_DENIED "
         "UPSTREAM_REFUSED "},
        {PAM_AUTHINFO_UNAVAIL, " UPSTREAM_UNAVAILABLE UPSTREAM_PROTOCOL ISSUER_UNAVAILABLE "
                               "REVIEW_UNAVAILABLE BUSY TOO_MANY INTERNAL UNREACHABLE TIMEOUT "
                               "UNTRUSTED_SERVER "},
        {PAM_CRED_INSUFFICIENT, " NO_SUBJECT_TOKEN "},
        {PAM_BUF_ERR, " NO_MEMORY "},
        {PAM_SERVICE_ERR,
         " UNKNOWN_SERVICE BAD_FRAME BAD_REQUEST BAD_ARGUMENT BAD_ANSWER CANCELLED NOT_RENEWED "},
    };
    size_t n;
    const struct status_info *statuses = status_table(&n);

    (void)state;
    for (size_t i = 0; i < n; i++) {
        char word[64];
        bool is_known = false;

        snprintf(word, sizeof(word), " %s ", statuses[i].name);
        for (size_t j = 0; j < ARRAY_SIZE(table); j++)
            if (strstr(table[j].names, word)) {
                assert_int_equal(pam_code(statuses[i].status), table[j].code);
                is_known = true;
            }
        if (!is_known)
            fail_msg("%s has no code here", statuses[i].name);
    }
}

static void no_number_but_that_of_ok_is_a_success(void **state)
{
    (void)state;
    for (int status = -1; status < 1000; status++) {
        int code = pam_code((enum podlogin_status)status);

        assert_int_equal(code == PAM_SUCCESS, status == PODLOGIN_OK);
        assert_int_not_equal(code, PAM_IGNORE);
    }
}

static void specifiers_of_a_path_are_replaced(void **state)
{
    char path[TOKEN_PATH_SIZE], template[TOKEN_PATH_SIZE + 1];

    (void)state;
    assert_null(token_path_make("/a/100%%/%%u", NULL, path));
    assert_string_equal(path, "/a/100%/%u");
    assert_false(token_path_has_user("/a/%%u"));
    assert_true(token_path_has_user("/a/%%%u"));
    assert_string_equal(token_path_make("/nonexistent/%u/%u.jwt", "alice", path), strerror(ENOENT));
    assert_string_equal(path, "/nonexistent/alice/alice.jwt");
    memset(template, 'a', TOKEN_PATH_SIZE);
    template[0] = '/';
    template[TOKEN_PATH_SIZE] = '\0';
    assert_false(token_path_is_valid(template));
    template[TOKEN_PATH_SIZE - 1] =
        '\0'; /* it fits, and its copy cannot be told from one that was cut */
    assert_true(token_path_is_valid(template));
    assert_non_null(token_path_make(template, NULL, path));
    template[TOKEN_PATH_SIZE - 2] = '\0';
    assert_null(token_path_make(template, NULL, path));
    memcpy(template + TOKEN_PATH_SIZE - 4, "%u", 3);
    assert_non_null(token_path_make(template, "a-name-that-is-longer", path));
}

static void a_user_s_file_is_found_only_if_nobody_else_can_change_it(void **state)
{
    char directory[SCRATCH_MAX], template[128], file[128], path[TOKEN_PATH_SIZE];

    (void)state;
    scratch_make(directory, "/tmp");
    snprintf(template, sizeof(template), "%s/%%u", directory);
    snprintf(file, sizeof(file), "%s/alice", directory);
    scratch_write(file, "a.b.c", 5, 0600);
    assert_null(token_path_make(template, "alice", path));
    assert_string_equal(path, file);
    assert_non_null(token_path_make(template, "../alice", path));
    assert_non_null(token_path_make(template, "", path));
    assert_non_null(token_path_make(template, NULL, path));
    assert_int_equal(chmod(directory, 0770), 0);
    assert_non_null(token_path_make(template, "alice", path));
    assert_int_equal(chmod(directory, 01777), 0);
    assert_null(token_path_make(template, "alice", path));
    assert_int_equal(chmod(file, 0662), 0);
    assert_non_null(token_path_make(template, "alice", path));
    scratch_remove(directory);
}

/* The text says why, also if the library was not asked. */
static void a_token_that_cannot_be_fetched_is_explained(void **state)
{
    struct podlogin_token *token = NULL;
    struct arguments_fault fault;
    struct arguments arguments;
    char buffer[256];
    struct text why = text_in(buffer, sizeof(buffer));
    const char *const missing[] = {"token_file=/nonexistent/token", NULL};
    const char *const of_user[] = {"token_file=/nonexistent/%u", NULL};

    (void)state;
    assert_true(parse(&arguments, &fault, missing));
    assert_int_equal(token_fetch(&arguments, NULL, &token, &why), PODLOGIN_NO_SUBJECT_TOKEN);
    assert_string_equal(buffer, "/nonexistent/token: No such file or directory");
    why = text_in(buffer, sizeof(buffer));
    assert_true(parse(&arguments, &fault, of_user));
    assert_int_equal(token_fetch(&arguments, "a/b", &token, &why), PODLOGIN_NO_SUBJECT_TOKEN);
    assert_string_equal(buffer,
                        "token_file=/nonexistent/%u: the user's name cannot be a part of a path");
    assert_null(token);
}

/* What pam_putenv() was called with to remove a variable: its value must be wiped by then. */
static unsigned n_removed, n_not_wiped, put_fails_at;

int __real_pam_putenv(pam_handle_t *handle, const char *text);
int __wrap_pam_putenv(pam_handle_t *handle, const char *text);
int __wrap_pam_putenv(pam_handle_t *handle, const char *text)
{
    if (!strchr(text, '=')) {
        n_removed++;
        n_not_wiped += *pam_getenv(handle, text) != '\0';
    } else if (put_fails_at && --put_fails_at == 0) {
        return PAM_BUF_ERR;
    }
    return __real_pam_putenv(handle, text);
}

static struct podlogin_token *make_token(const char *variable)
{
    struct message_token message = {
        .token = wire_string("secret-token"),
        .token_type = wire_string("token"),
        .variable = wire_string(variable),
    };

    message.attributes.item[message.attributes.n++] = wire_string("KEY=secret=key");
    message.attributes.item[message.attributes.n++] = wire_string("REGION=");
    message.unset.item[message.unset.n++] = wire_string("STALE");
    message.unset.item[message.unset.n++] = wire_string("MISSING");
    return token_new(&message);
}

/* A handle of a service without lines, and with a variable from before. */
static pam_handle_t *begin(void)
{
    static const struct pam_conv conversation;
    char directory[SCRATCH_MAX], file[128];
    pam_handle_t *handle;

    n_removed = n_not_wiped = put_fails_at = 0;
    scratch_make(directory, "/tmp");
    snprintf(file, sizeof(file), "%s/other", directory);
    scratch_write(file, "", 0, 0600);
    assert_int_equal(pam_start_confdir("other", "alice", &conversation, directory, &handle),
                     PAM_SUCCESS);
    scratch_remove(directory);
    assert_int_equal(pam_putenv(handle, "STALE=secret"), PAM_SUCCESS);
    return handle;
}

static void assert_environment(pam_handle_t *handle, const char *expected)
{
    char **list = pam_getenvlist(handle), text[256] = "";

    for (char **at = list; *at; at++) {
        strncat(text, *at, sizeof(text) - strlen(text) - 1);
        strncat(text, " ", sizeof(text) - strlen(text) - 1);
        free(*at);
    }
    free(list);
    assert_string_equal(text, expected);
}

static void variables_are_put_and_wiped_where_they_are(void **state)
{
    struct podlogin_token *token = make_token("TOKEN");
    pam_handle_t *handle = begin();

    (void)state;
    assert_null(variables_problem(token, NULL));
    assert_int_equal(variables_put(handle, token, NULL), PAM_SUCCESS);
    assert_environment(handle, "TOKEN=secret-token KEY=secret=key REGION= ");
    assert_int_equal(variables_remove(handle, token, NULL), PAM_SUCCESS);
    assert_environment(handle, "");
    assert_int_equal(n_removed, 4);
    assert_int_equal(n_not_wiped, 0);
    podlogin_token_free(token);
    assert_int_equal(pam_end(handle, PAM_SUCCESS), PAM_SUCCESS);
}

static void another_variable_can_have_the_token(void **state)
{
    struct podlogin_token *token = make_token("TOKEN"), *nameless = make_token("");
    pam_handle_t *handle = begin();

    (void)state;
    assert_non_null(variables_problem(token, "KEY"));
    assert_null(variables_problem(token, "TOKEN"));
    assert_null(variables_problem(token, "OTHER"));
    assert_non_null(variables_problem(nameless, NULL));
    assert_null(variables_problem(nameless, "OTHER"));
    for (int i = 0; i < 2; i++) {
        const struct podlogin_token *one = i ? nameless : token;

        assert_int_equal(variables_put(handle, one, "OTHER"), PAM_SUCCESS);
        assert_environment(handle, "OTHER=secret-token KEY=secret=key REGION= ");
        assert_int_equal(variables_remove(handle, one, "OTHER"), PAM_SUCCESS);
        assert_environment(handle, "");
    }
    podlogin_token_free(token);
    podlogin_token_free(nameless);
    assert_int_equal(pam_end(handle, PAM_SUCCESS), PAM_SUCCESS);
}

static void a_variable_that_was_changed_is_another_s(void **state)
{
    struct podlogin_token *token = make_token("TOKEN");
    pam_handle_t *handle = begin();

    (void)state;
    assert_int_equal(variables_put(handle, token, NULL), PAM_SUCCESS);
    assert_int_equal(pam_putenv(handle, "KEY=theirs"), PAM_SUCCESS);
    assert_int_equal(pam_putenv(handle, "STALE=theirs"), PAM_SUCCESS);
    assert_int_equal(variables_remove(handle, token, NULL), PAM_SUCCESS);
    assert_environment(handle, "KEY=theirs STALE=theirs ");
    podlogin_token_free(token);
    assert_int_equal(pam_end(handle, PAM_SUCCESS), PAM_SUCCESS);
}

static void a_variable_that_cannot_be_put_takes_the_others_with_it(void **state)
{
    (void)state;
    for (unsigned at = 1; at <= 3; at++) {
        struct podlogin_token *token = make_token("TOKEN");
        pam_handle_t *handle = begin();

        put_fails_at = at;
        assert_int_equal(variables_put(handle, token, NULL), PAM_BUF_ERR);
        assert_environment(handle, "");
        assert_int_equal(n_not_wiped, 0);
        podlogin_token_free(token);
        assert_int_equal(pam_end(handle, PAM_SUCCESS), PAM_SUCCESS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_option_sets_its_own),
        cmocka_unit_test(without_options_the_defaults_stand),
        cmocka_unit_test(what_is_unknown_malformed_or_twice_is_refused),
        cmocka_unit_test(each_status_has_its_code),
        cmocka_unit_test(no_number_but_that_of_ok_is_a_success),
        cmocka_unit_test(specifiers_of_a_path_are_replaced),
        cmocka_unit_test(a_user_s_file_is_found_only_if_nobody_else_can_change_it),
        cmocka_unit_test(a_token_that_cannot_be_fetched_is_explained),
        cmocka_unit_test(variables_are_put_and_wiped_where_they_are),
        cmocka_unit_test(another_variable_can_have_the_token),
        cmocka_unit_test(a_variable_that_was_changed_is_another_s),
        cmocka_unit_test(a_variable_that_cannot_be_put_takes_the_others_with_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
