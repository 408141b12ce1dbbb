/* Names of services, and which variables a token may set. */
#include "protocol/messages.h"
#include "protocol/names.h"
#include "support/scratch.h"

static bool service_is_valid(const char *name)
{
    CLEANUP(freep)
    char *exact = copy_of(name, strlen(name));

    return service_name_is_valid(exact, strlen(name));
}

static bool variable_is_safe(const char *name)
{
    CLEANUP(freep)
    char *exact = copy_of(name, strlen(name));

    return variable_name_is_safe(exact, strlen(name));
}

static const char *repeated(char c, size_t n)
{
    static char text[256];

    memset(text, c, n);
    text[n] = '\0';
    return text;
}

static void names_of_services_have_letters_digits_and_three_symbols(void **state)
{
    static const char *const valid[] = {"pulumi", "a",  "A-b_c.9", "0",
                                        "a..",    "-h", "_",       "vault.prod"};
    static const char *const invalid[] = {"",    "a/b", "a b", "a\n", "\xc3\xa9", "a:b",
                                          "a@b", "a*",  "a`",  ".",   "..",       ".hidden"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(valid); i++)
        if (!service_is_valid(valid[i]))
            fail_msg("refused: %s", valid[i]);
    for (size_t i = 0; i < ARRAY_SIZE(invalid); i++)
        if (service_is_valid(invalid[i]))
            fail_msg("accepted: %s", invalid[i]);
    assert_true(service_is_valid(repeated('a', PODLOGIN_SERVICE_MAX)));
    assert_false(service_is_valid(repeated('a', PODLOGIN_SERVICE_MAX + 1)));
    assert_false(service_name_is_valid("a\0b", 3));
}

static void a_file_is_in_its_directory(void **state)
{
    static const char *const invalid[] = {"", ".", "..", ".netrc", "a/b", "/a", "../a", "a\\b b"};

    (void)state;
    assert_true(file_name_is_valid("credentials.json", 16));
    assert_true(file_name_is_valid("a..b", 4));
    for (size_t i = 0; i < ARRAY_SIZE(invalid); i++)
        if (file_name_is_valid(invalid[i], strlen(invalid[i])))
            fail_msg("accepted: %s", invalid[i]);
    assert_false(file_name_is_valid("a\0b", 3));
}

static void variables_for_credentials_are_allowed(void **state)
{
    static const char *const names[] = {
        "PULUMI_ACCESS_TOKEN",
        "PULUMI_BACKEND_URL",
        "PULUMI_DEFAULT_ORGANIZATION",
        "PULUMI_CREDENTIALS_PATH",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_CREDENTIAL_EXPIRATION",
        "AWS_ENDPOINT_URL",
        "VAULT_TOKEN",
        "VAULT_ADDR",
        "VAULT_NAMESPACE",
        "AZURE_TOKEN",
        "AZURE_TENANT_ID",
        "AZURE_CLIENT_ID",
        "ARM_ACCESS_KEY",
        "GOOGLE_OAUTH_ACCESS_TOKEN",
        "CLOUDSDK_AUTH_ACCESS_TOKEN",
        "GITHUB_TOKEN",
        "GH_TOKEN",
        "GIT_AUTHOR_NAME",
        "GIT_COMMITTER_EMAIL",
        "GIT_TOKEN",
        "GITLAB_TOKEN",
        "NODE_AUTH_TOKEN",
        "NPM_TOKEN",
        "CARGO_REGISTRY_TOKEN",
        "DOCKER_PASSWORD",
        "SSH_PRIVATE_KEY",
        "TF_TOKEN",
        "TF_VAR_TOKEN",
        "KUBE_TOKEN",
        "PATHS",
        "ENVIRONMENT",
        "HOMEPAGE",
        "LDAP_PASSWORD",
        "CCTV",
        "T",
        "T9_",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (!variable_is_safe(names[i]))
            fail_msg("refused: %s", names[i]);
    assert_true(variable_is_safe(repeated('X', VARIABLE_NAME_MAX)));
}

static void variables_that_change_which_code_runs_are_refused(void **state)
{
    static const char *const names[] = {
        "LD_PRELOAD",
        "LD_LIBRARY_PATH",
        "LD_AUDIT",
        "LD_",
        "GLIBC_TUNABLES",
        "GCONV_PATH",
        "LOCPATH",
        "NLSPATH",
        "MALLOC_CHECK_",
        "MALLOC_TRACE",
        "HOSTALIASES",
        "PATH",
        "HOME",
        "XDG_CONFIG_HOME",
        "TMPDIR",
        "BASH_ENV",
        "BASHOPTS",
        "BASH_FUNC_LS",
        "ENV",
        "IFS",
        "SHELLOPTS",
        "SHELL",
        "PS4",
        "PROMPT_COMMAND",
        "CDPATH",
        "ZDOTDIR",
        "NODE_OPTIONS",
        "NODE_PATH",
        "NODE_EXTRA_CA_CERTS",
        "NODE_TLS_REJECT_UNAUTHORIZED",
        "NPM_CONFIG_SCRIPT_SHELL",
        "PYTHONPATH",
        "PYTHONSTARTUP",
        "PYTHONHOME",
        "PERL5LIB",
        "PERL5OPT",
        "PERLLIB",
        "RUBYOPT",
        "RUBYLIB",
        "JAVA_TOOL_OPTIONS",
        "JAVA_HOME",
        "_JAVA_OPTIONS",
        "JDK_JAVA_OPTIONS",
        "CLASSPATH",
        "GIT_SSH",
        "GIT_SSH_COMMAND",
        "GIT_ASKPASS",
        "GIT_EXEC_PATH",
        "GIT_EDITOR",
        "GIT_PAGER",
        "GIT_PROXY_COMMAND",
        "GIT_EXTERNAL_DIFF",
        "GIT_CONFIG",
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_KEY_0",
        "GIT_TEMPLATE_DIR",
        "GIT_SEQUENCE_EDITOR",
        "GIT_SSL_NO_VERIFY",
        "SSH_ASKPASS",
        "SSH_SK_PROVIDER",
        "EDITOR",
        "VISUAL",
        "PAGER",
        "BROWSER",
        "LESSOPEN",
        "OPENSSL_CONF",
        "OPENSSL_MODULES",
        "OPENSSL_ENGINES",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "SSLKEYLOGFILE",
        "CURL_CA_BUNDLE",
        "REQUESTS_CA_BUNDLE",
        "AWS_CA_BUNDLE",
        "VAULT_SKIP_VERIFY",
        "VAULT_CACERT",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "DOTNET_STARTUP_HOOKS",
        "GOROOT",
        "GOFLAGS",
        "GOPROXY",
        "RUSTC_WRAPPER",
        "MAKEFLAGS",
        "AWS_CONFIG_FILE",
        "KUBECONFIG",
        "DOCKER_CONFIG",
        "TF_CLI_CONFIG_FILE",
        "PULUMI_HOME",
        "PODLOGIN_SOCKET",
        "PODLOGIN_SERVER_UID",
        "PODLOGIN_TOKEN_FILE",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (variable_is_safe(names[i]))
            fail_msg("accepted: %s", names[i]);
}

static void invalid_names_are_refused(void **state)
{
    static const char *const names[] = {
        "",       "_",      "1TOKEN", "_TOKEN", "Token", "token",    "http_proxy",
        "A-B",    "A B",    "A=B",    "A.B",    "A\n",   "\xc3\x84", "BASH_FUNC_ls%%",
        "TOKENa", "TOKEN%", "A\x01",  "A[",     "A@",    "A/",       "A:",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (variable_is_safe(names[i]))
            fail_msg("accepted: %s", names[i]);
    assert_false(variable_name_is_safe("AB\0C", 4));
    assert_false(variable_is_safe(repeated('X', VARIABLE_NAME_MAX + 1)));
}

/* People read the table, too, so it is in order and has no duplicates. */
static void the_table_is_sorted_and_no_row_includes_another(void **state)
{
    const char *root = getenv("PODLOGIN_SOURCE");
    char path[512], row[64], before[64] = "";
    CLEANUP(freep)
    char *text = NULL;
    size_t len, n = 0;
    char *rest = NULL;

    (void)state;
    snprintf(path, sizeof(path), "%s/protocol/names.c", root ? root : SOURCE_DIR);
    text = scratch_read(path, &len);
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        size_t prefix = strlen(before);

        if (sscanf(line, " \"%63[A-Z0-9_*]\\0\"", row) != 1)
            continue;
        if (strcmp(before, row) >= 0)
            fail_msg("not in order: %s", row);
        if (n > 0 && before[prefix - 1] == '*' && strncmp(before, row, prefix - 1) == 0)
            fail_msg("%s is part of %s", row, before);
        strcpy(before, row);
        if (row[strlen(row) - 1] == '*')
            row[strlen(row) - 1] = 'X';
        assert_false(variable_is_safe(row));
        n++;
    }
    assert_in_range(n, 50, 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_services_have_letters_digits_and_three_symbols),
        cmocka_unit_test(variables_for_credentials_are_allowed),
        cmocka_unit_test(variables_that_change_which_code_runs_are_refused),
        cmocka_unit_test(a_file_is_in_its_directory),
        cmocka_unit_test(invalid_names_are_refused),
        cmocka_unit_test(the_table_is_sorted_and_no_row_includes_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
