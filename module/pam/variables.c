/* Puts variables, and takes them back: wiped where they are, before libpam frees them. */
#include "pam/variables.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/names.h"
#include "text/text.h"

/* The further variables of a service follow its own in the list of the library. */
static unsigned first_further(const struct podlogin_token *token)
{
    return *podlogin_token_variable(token) ? 1 : 0;
}

const char *variables_problem(const struct podlogin_token *token, const char *variable)
{
    const char *own = podlogin_token_variable(token);

    if (!variable)
        return *own ? NULL : "the service has no variable for its token; name one with env=";
    if (strcmp(variable, own) != 0 && podlogin_token_attribute(token, variable))
        return "env= names a further variable of the service";
    return NULL;
}

/* libpam keeps a copy of its own. */
static int put(pam_handle_t *pamh, const char *name, const char *value)
{
    size_t size = strlen(name) + strlen(value) + 2;
    char *assignment = malloc(size);
    struct text text;
    int code;

    if (!assignment)
        return PAM_BUF_ERR;
    text = text_in(assignment, size);
    text_add(&text, name, "=", value, NULL);
    code = pam_putenv(pamh, assignment);
    explicit_bzero(assignment, size);
    free(assignment);
    return code;
}

/* pam_getenv() points to the value that libpam keeps; libpam frees it, which need not wipe it. */
static int wipe(pam_handle_t *pamh, const char *name)
{
    char *value = (char *)pam_getenv(pamh, name);

    if (!value)
        return PAM_SUCCESS;
    explicit_bzero(value, strlen(value));
    return pam_putenv(pamh, name);
}

static int take(pam_handle_t *pamh, const char *name, const char *value)
{
    const char *current = pam_getenv(pamh, name);

    return current && strcmp(current, value) == 0 ? wipe(pamh, name) : PAM_SUCCESS;
}

static int take_assignment(pam_handle_t *pamh, const char *assignment)
{
    const char *equals = strchr(assignment, '=');
    char buffer[VARIABLE_NAME_MAX + 1];
    struct text name = text_in(buffer, sizeof(buffer));

    text_add_bytes(&name, assignment, (size_t)(equals - assignment));
    return take(pamh, buffer, equals + 1);
}

int variables_put(pam_handle_t *pamh, const struct podlogin_token *token, const char *variable)
{
    const char *text;
    int code = PAM_SUCCESS;

    for (unsigned i = 0; code == PAM_SUCCESS && (text = podlogin_token_unset_at(token, i)); i++)
        code = wipe(pamh, text);
    if (code == PAM_SUCCESS)
        code = put(pamh, variable ? variable : podlogin_token_variable(token),
                   podlogin_token_value(token));
    for (unsigned i = first_further(token);
         code == PAM_SUCCESS && (text = podlogin_token_environment_at(token, i)); i++)
        code = pam_putenv(pamh, text);
    if (code != PAM_SUCCESS)
        variables_remove(pamh, token, variable);
    return code;
}

int variables_remove(pam_handle_t *pamh, const struct podlogin_token *token, const char *variable)
{
    const char *assignment;
    int code = take(pamh, variable ? variable : podlogin_token_variable(token),
                    podlogin_token_value(token));

    for (unsigned i = first_further(token); (assignment = podlogin_token_environment_at(token, i));
         i++) {
        int r = take_assignment(pamh, assignment);

        if (code == PAM_SUCCESS)
            code = r;
    }
    return code;
}
