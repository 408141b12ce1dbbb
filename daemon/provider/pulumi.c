/*
 * Pulumi Cloud: POST /api/oauth/token, an RFC 8693 token exchange with the extension `expiration`
 * (Pulumi Cloud REST API, "OAuth Token Exchange").
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "base/url.h"
#include "provider/form.h"
#include "provider/oauth.h"
#include "provider/provider.h"

#define DEFAULT_API_URL      "https://api.pulumi.com"
#define DEFAULT_EXPIRATION_S 7200

enum setting {
    ORGANIZATION,
    TOKEN_TYPE,
    USER,
    TEAM,
    RUNNER,
    SCOPE,
    EXPIRATION,
    API_URL,
    CA_FILE,
};

static const char *const settings[] = {
    [ORGANIZATION] = "Organization",
    [TOKEN_TYPE] = "TokenType",
    [USER] = "User",
    [TEAM] = "Team",
    [RUNNER] = "Runner",
    [SCOPE] = "Scope",
    [EXPIRATION] = "Expiration",
    [API_URL] = "APIURL",
    [CA_FILE] = "CAFile",
    NULL,
};

/* Each token type has one setting that names whom the token is for, and its prefix in the scope. */
static const struct token_type {
    const char *name;
    const char *urn;
    const char *scope_prefix;
    enum setting target;
    bool has_target;
} token_types[] = {
    {"organization", "urn:pulumi:token-type:access_token:organization", "", ORGANIZATION, false},
    {"team", "urn:pulumi:token-type:access_token:team", "team:", TEAM, true},
    {"personal", "urn:pulumi:token-type:access_token:personal", "user:", USER, true},
    {"runner", "urn:pulumi:token-type:access_token:runner", "runner:", RUNNER, true},
};

static const struct token_type *token_type_of(const struct provider_values *values)
{
    const char *name = values->value[TOKEN_TYPE] ? values->value[TOKEN_TYPE] : "organization";

    for (size_t i = 0; i < sizeof(token_types) / sizeof(token_types[0]); i++)
        if (strcmp(token_types[i].name, name) == 0)
            return &token_types[i];
    return NULL;
}

__attribute__((format(printf, 3, 4))) static int wrong(char *ret_error, size_t size,
                                                       const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(ret_error, size, format, args);
    va_end(args);
    return -EINVAL;
}

/* User= for a team token is a misunderstanding that would otherwise stay unnoticed. */
static int check_target(const struct provider_values *values, const struct token_type *type,
                        char *ret_error, size_t size)
{
    for (enum setting target = USER; target <= RUNNER; target++) {
        bool fits = type->has_target && type->target == target;

        if (values->value[target] && !fits)
            return wrong(ret_error, size, "%s= does not go with TokenType=%s", settings[target],
                         type->name);
        if (values->value[target] && values->value[SCOPE])
            return wrong(ret_error, size, "%s= and Scope= say the same thing; one of them",
                         settings[target]);
    }
    if (type->has_target && !values->value[type->target] && !values->value[SCOPE])
        return wrong(ret_error, size, "TokenType=%s needs %s=", type->name, settings[type->target]);
    return 0;
}

static int pulumi_check(const struct provider_values *values, char *ret_error, size_t size)
{
    const struct token_type *type = token_type_of(values);
    const char *expiration = values->value[EXPIRATION];
    uint64_t seconds;

    if (!values->value[ORGANIZATION])
        return wrong(ret_error, size, "Organization= is missing");
    if (!type)
        return wrong(ret_error, size, "TokenType= is one of organization, team, personal, runner");
    if (expiration && (duration_parse(expiration, &seconds) < 0 || seconds == 0 ||
                       seconds > TOKEN_LIFETIME_MAX_S))
        return wrong(ret_error, size, "Expiration= is a time span of at most 7d, such as 2h");
    if (values->value[API_URL] && !url_is_https(values->value[API_URL]))
        return wrong(ret_error, size, "APIURL= is an https:// URL without query or fragment");
    return check_target(values, type, ret_error, size);
}

static const char *pulumi_endpoint(const struct provider_values *values)
{
    return values->value[API_URL] ? values->value[API_URL] : DEFAULT_API_URL;
}

static int scope_of(const struct provider_values *values, const struct token_type *type,
                    char **ret_scope)
{
    if (values->value[SCOPE])
        *ret_scope = strdup(values->value[SCOPE]);
    else if (!type->has_target)
        *ret_scope = strdup("");
    else if (asprintf(ret_scope, "%s%s", type->scope_prefix, values->value[type->target]) < 0)
        *ret_scope = NULL;
    return *ret_scope ? 0 : -ENOMEM;
}

static struct form_field field(const char *name, const char *value)
{
    return (struct form_field){name, value, strlen(value)};
}

static int pulumi_request(const struct provider_values *values, const struct secret *jwt,
                          struct provider_request *ret_request)
{
    const struct token_type *type = token_type_of(values);
    const char *api_url = pulumi_endpoint(values);
    CLEANUP(freep)
    char *audience = NULL, *scope = NULL, *url = NULL;
    uint64_t seconds = DEFAULT_EXPIRATION_S;
    char expiration[24];

    if (!type || !values->value[ORGANIZATION])
        return -EINVAL;
    if (values->value[EXPIRATION] && duration_parse(values->value[EXPIRATION], &seconds) < 0)
        return -EINVAL;
    snprintf(expiration, sizeof(expiration), "%llu", (unsigned long long)seconds);
    if (asprintf(&audience, "urn:pulumi:org:%s", values->value[ORGANIZATION]) < 0 ||
        asprintf(&url, "%.*s/api/oauth/token", url_length(api_url), api_url) < 0 ||
        scope_of(values, type, &scope) < 0)
        return -ENOMEM;

    const struct form_field fields[] = {
        field("audience", audience),
        field("expiration", expiration),
        field("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        field("requested_token_type", type->urn),
        field("scope", scope),
        {"subject_token", jwt->bytes, jwt->len},
        field("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"),
    };

    ret_request->body = form_encode(fields, sizeof(fields) / sizeof(fields[0]));
    if (!ret_request->body)
        return -ENOMEM;
    ret_request->url = TAKE_PTR(url);
    ret_request->accept = "application/vnd.pulumi+8";
    return 0;
}

static int pulumi_answer(const struct provider_values *values, long http_status, const void *body,
                         size_t body_len, struct provider_answer *answer)
{
    int r = oauth_answer(http_status, body, body_len, answer);

    if (r < 0 || answer->outcome != OUTCOME_OK)
        return r;
    answer->variable = "PULUMI_ACCESS_TOKEN";
    /* a self-hosted service has to be named to the CLI as well */
    if (values->value[API_URL]) {
        if (asprintf(&answer->attributes[0], "PULUMI_BACKEND_URL=%s", values->value[API_URL]) < 0)
            return -ENOMEM;
        answer->n_attributes = 1;
    }
    return 0;
}

const struct provider provider_pulumi = {
    .name = "pulumi",
    .section = "Pulumi",
    .settings = settings,
    .check = pulumi_check,
    .endpoint = pulumi_endpoint,
    .request = pulumi_request,
    .answer = pulumi_answer,
};
