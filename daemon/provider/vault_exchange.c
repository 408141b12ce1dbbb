/*
 * The login of Vault and OpenBao: POST /v1/auth/MOUNT/login ("JWT/OIDC auth method (API)"). It is
 * answered with a lease, which is not renewed: the refresh logs in again.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/url.h"
#include "protocol/messages.h"
#include "provider/exchange.h"
#include "provider/vault.h"

#define MOUNT_DEFAULT "jwt"

static int set_url(const struct provider_values *values, struct provider_request *request)
{
    const char *address = values->value[VAULT_ADDRESS], *mount = values->value[VAULT_MOUNT];

    if (!mount)
        mount = MOUNT_DEFAULT;
    if (asprintf(&request->url, "%.*s/v1/auth/%.*s/login", url_length(address), address,
                 url_length(mount), mount) >= 0)
        return 0;
    request->url = NULL;
    return -ENOMEM;
}

/* Without a role, the server uses the default of the mount. */
static int set_body(const struct provider_values *values, const struct secret *jwt,
                    struct provider_request *request)
{
    CLEANUP(json_decrefp)
    json_t *body = json_pack("{s:s%, s:s*}", "jwt", (const char *)jwt->bytes, (size_t)jwt->len,
                             "role", values->value[VAULT_ROLE]);

    return request_set_json(request, body);
}

static int vault_request(const struct provider_values *values, const struct secret *jwt,
                         struct provider_request *ret_request)
{
    const char *namespace = values->value[VAULT_NAMESPACE];
    int r;

    if (!values->value[VAULT_ADDRESS])
        return -EINVAL;
    ret_request->method = "POST";
    ret_request->accept = "application/json";
    r = set_url(values, ret_request);
    if (r == 0)
        r = set_body(values, jwt, ret_request);
    /* agents refuse requests without it, so that a URL alone cannot make one */
    if (r == 0)
        r = request_add_header(ret_request, "X-Vault-Request", "true");
    if (r == 0 && namespace)
        r = request_add_header(ret_request, "X-Vault-Namespace", "%s", namespace);
    return r;
}

static bool has_one_of(const char *text, const char *const *parts)
{
    for (; text && *parts; parts++)
        if (strstr(text, *parts))
            return true;
    return false;
}

/* Returns whether the server cannot reach the issuer, for which it has no status of its own. */
static bool is_about_issuer(const char *error)
{
    static const char *const texts[] = {
        "fetching keys",
        "keyset configuration error", /* the first time; when it is configured, it is checked */
        NULL,
    };

    return has_one_of(error, texts);
}

/* Returns whether the error is about the mount's settings, or Role=, and not about the JWT. */
static bool is_about_settings(const char *error)
{
    static const char *const texts[] = {
        "missing role",
        "could not be found",           /* role "x" could not be found */
        "could not load configuration", /* the mount is not configured */
        "oidc role_type",               /* role with oidc role_type is not allowed */
        "error configuring token validator",
        "no audiences bound to the role",
        NULL,
    };

    return has_one_of(error, texts);
}

/* Errors are {"errors": ["..."]}; those about the role or the JWT have the status 400. */
static void explain_error(long http_status, const json_t *json, struct provider_answer *answer)
{
    const json_t *errors = json_object_get(json, "errors");
    const char *first = json_string_value(json_array_get(errors, 0));
    enum outcome outcome = outcome_of_http_status(http_status);
    const json_t *text;
    size_t i;

    if (http_status == 400 && is_about_issuer(first))
        outcome = OUTCOME_UNAVAILABLE;
    else if (http_status == 400 && first && !is_about_settings(first))
        outcome = OUTCOME_REFUSED;
    answer_set_failure(answer, http_status, outcome);
    json_array_foreach(errors, i, text) answer_explain(answer, json_string_value(text));
    if (!json)
        detail_add(answer->detail, ", and the body is not a JSON object");
}

static int refuse_role(struct provider_answer *answer, const char *what)
{
    answer->outcome = OUTCOME_MISCONFIGURED;
    detail_add(answer->detail, what);
    return 0;
}

static int add_place(const struct provider_values *values, struct provider_answer *answer)
{
    const char *address = values->value[VAULT_ADDRESS], *namespace = values->value[VAULT_NAMESPACE];
    int r = answer_add_variable(answer, "VAULT_ADDR", address, (size_t)url_length(address));

    if (r == 0 && namespace)
        r = answer_add_variable(answer, "VAULT_NAMESPACE", namespace, strlen(namespace));
    return r;
}

/* Reads "auth" of an answer. Tokens that cannot be shared are a mistake of the role. */
static int read_auth(const struct provider_values *values, const json_t *auth,
                     struct provider_answer *answer)
{
    const char *token = json_member_string(auth, "client_token");
    json_int_t lifetime_s = json_integer_value(json_object_get(auth, "lease_duration"));

    if (json_is_object(json_object_get(auth, "mfa_requirement")))
        return refuse_role(answer, "the role requires a second factor");
    if (json_integer_value(json_object_get(auth, "num_uses")) > 0)
        return refuse_role(answer, "the role limits the uses of a token (token_num_uses), so jobs "
                                   "cannot share it");
    if (!answer_is_visible(token, PODLOGIN_TOKEN_MAX))
        return answer_set_malformed(answer, "auth.client_token");
    if (lifetime_s <= 0)
        return answer_set_malformed(answer, "auth.lease_duration");
    if (answer_add_variable(answer, "VAULT_TOKEN", token, strlen(token)) < 0)
        return -ENOMEM;
    strcpy(answer->token_type, "Bearer");
    answer_set_lifetime(answer, lifetime_s);
    answer->outcome = OUTCOME_OK;
    return add_place(values, answer);
}

static int vault_answer(const struct provider_values *values, long http_status, const void *body,
                        size_t body_len, struct provider_answer *answer)
{
    CLEANUP(json_decrefp)
    json_t *json = json_read_object(body, body_len);
    const json_t *errors = json_object_get(json, "errors");
    bool has_errors =
        json_array_size(errors) || (errors && !json_is_array(errors) && !json_is_null(errors));

    if (http_status == 200 && json && !has_errors)
        return read_auth(values, json_object_get(json, "auth"), answer);
    explain_error(http_status, json, answer);
    return 0;
}

const struct provider_exchange provider_vault_exchange = {
    .provider = &provider_vault,
    .request = vault_request,
    .answer = vault_answer,
};
