/*
 * pam_podlogin.so: the entry points that libpam calls. Nothing is ever printed, so PAM_SILENT
 * changes nothing; what is wrong goes to the system log. Nothing is asked of the user, either.
 */
#include <security/pam_ext.h>
#include <security/pam_modules.h>
#include <syslog.h>

#include "pam/arguments.h"
#include "pam/code.h"
#include "pam/fetch.h"
#include "pam/token_path.h"
#include "pam/variables.h"
#include "protocol/messages.h"
#include "protocol/names.h"
#include "protocol/status.h"

#define WHY_SIZE 1024
#define KEY_SIZE (sizeof("podlogin::") + PODLOGIN_SERVICE_MAX + VARIABLE_NAME_MAX)

static int read_arguments(pam_handle_t *pamh, int argc, const char **argv,
                          struct arguments *ret_arguments)
{
    struct arguments_fault fault;

    if (arguments_parse(argc, argv, ret_arguments, &fault))
        return PAM_SUCCESS;
    pam_syslog(pamh, LOG_ERR, "%.*s: %s", fault.name_len, fault.name, fault.problem);
    return PAM_SERVICE_ERR;
}

/* The user as far as it is known: pam_get_user() would ask for it. */
static int read_user(pam_handle_t *pamh, const struct arguments *arguments, const char **ret_user)
{
    const void *user = NULL;
    int code = PAM_SUCCESS;

    if (token_path_has_user(arguments->token_file))
        code = pam_get_item(pamh, PAM_USER, &user);
    *ret_user = user;
    return code;
}

static int fetch(pam_handle_t *pamh, const struct arguments *arguments,
                 struct podlogin_token **ret_token)
{
    char buffer[WHY_SIZE];
    struct text why = text_in(buffer, sizeof(buffer));
    enum podlogin_status status;
    const char *user;
    int code = read_user(pamh, arguments, &user);

    if (code != PAM_SUCCESS)
        return code;
    status = token_fetch(arguments, user, ret_token, &why);
    if (status != PODLOGIN_OK)
        pam_syslog(pamh, LOG_ERR, "%s: %s: %s", arguments->settings.service,
                   status_info(status)->name, buffer);
    return pam_code(status);
}

int pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    struct podlogin_token *token = NULL;
    struct arguments arguments;
    int code = read_arguments(pamh, argc, argv, &arguments);

    (void)flags;
    if (code == PAM_SUCCESS)
        code = fetch(pamh, &arguments, &token);
    podlogin_token_free(token);
    return code;
}

/* Credentials are a matter of the session. */
int pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    (void)pamh;
    (void)flags;
    (void)argc;
    (void)argv;
    return PAM_SUCCESS;
}

static void on_session_gone(pam_handle_t *pamh, void *token, int error_status)
{
    (void)pamh;
    (void)error_status;
    podlogin_token_free(token);
}

/* Under this name libpam keeps the token of a session: a stack may have one for each service. */
static void session_key(const struct arguments *arguments, char ret_key[KEY_SIZE])
{
    struct text key = text_in(ret_key, KEY_SIZE);

    text_add(&key, "podlogin:", arguments->settings.service, ":",
             arguments->variable ? arguments->variable : "", NULL);
}

/* Removes what the latest session put, if there was one, and forgets its token. */
static int session_close(pam_handle_t *pamh, const struct arguments *arguments)
{
    char key[KEY_SIZE];
    const void *token = NULL;
    int code, forgotten;

    session_key(arguments, key);
    code = pam_get_data(pamh, key, &token);
    if (code == PAM_NO_MODULE_DATA || (code == PAM_SUCCESS && !token))
        return PAM_SUCCESS;
    if (code != PAM_SUCCESS)
        return code;
    code = variables_remove(pamh, token, arguments->variable);
    forgotten = pam_set_data(pamh, key, NULL, NULL);
    return code == PAM_SUCCESS ? forgotten : code;
}

/* From here on the token is libpam's, which frees it with the handle if no session is closed. */
static int session_open(pam_handle_t *pamh, const struct arguments *arguments,
                        struct podlogin_token *token)
{
    char key[KEY_SIZE];
    int code = session_close(pamh, arguments);

    session_key(arguments, key);
    if (code == PAM_SUCCESS)
        code = pam_set_data(pamh, key, token, on_session_gone);
    if (code != PAM_SUCCESS) {
        podlogin_token_free(token);
        return code;
    }
    code = variables_put(pamh, token, arguments->variable);
    if (code != PAM_SUCCESS)
        pam_set_data(pamh, key, NULL, NULL);
    return code;
}

/* The code that a session ends with: what was wrong is in the log. */
static int session_code(pam_handle_t *pamh, const struct arguments *arguments, int code)
{
    if (code == PAM_SUCCESS)
        return PAM_SUCCESS;
    pam_syslog(pamh, LOG_ERR, "%s: the environment cannot be changed: %s",
               arguments->settings.service, pam_strerror(pamh, code));
    return PAM_SESSION_ERR;
}

int pam_sm_open_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    struct podlogin_token *token = NULL;
    struct arguments arguments;
    const char *problem;

    (void)flags;
    if (read_arguments(pamh, argc, argv, &arguments) != PAM_SUCCESS ||
        fetch(pamh, &arguments, &token) != PAM_SUCCESS)
        return PAM_SESSION_ERR;
    problem = variables_problem(token, arguments.variable);
    if (!problem)
        return session_code(pamh, &arguments, session_open(pamh, &arguments, token));
    pam_syslog(pamh, LOG_ERR, "%s: %s", arguments.settings.service, problem);
    podlogin_token_free(token);
    return PAM_SESSION_ERR;
}

int pam_sm_close_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    struct arguments arguments;

    (void)flags;
    if (read_arguments(pamh, argc, argv, &arguments) != PAM_SUCCESS)
        return PAM_SESSION_ERR;
    return session_code(pamh, &arguments, session_close(pamh, &arguments));
}
