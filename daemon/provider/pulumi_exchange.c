/*
 * The exchange of Pulumi Cloud: POST /api/oauth/token, a token exchange (RFC 8693) with the
 * extension `expiration` (Pulumi Cloud REST API, "OAuth Token Exchange").
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/setting.h"
#include "base/url.h"
#include "provider/exchange.h"
#include "provider/form.h"
#include "provider/oauth.h"
#include "provider/pulumi.h"

static int scope_of(const struct provider_values *values, const struct pulumi_token_type *type,
                    char **ret_scope)
{
    if (values->value[PULUMI_SCOPE])
        *ret_scope = strdup(values->value[PULUMI_SCOPE]);
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
    const struct pulumi_token_type *type = pulumi_token_type(values);
    const char *api_url = pulumi_api_url(values);
    CLEANUP(freep)
    char *audience = NULL, *scope = NULL, *url = NULL;
    uint64_t seconds = PULUMI_EXPIRATION_S;
    char expiration[24];

    if (!type || !values->value[PULUMI_ORGANIZATION])
        return -EINVAL;
    if (values->value[PULUMI_EXPIRATION] &&
        setting_seconds(values->value[PULUMI_EXPIRATION], 1, TOKEN_LIFETIME_MAX_S, &seconds) < 0)
        return -EINVAL;
    snprintf(expiration, sizeof(expiration), "%llu", (unsigned long long)seconds);
    if (asprintf(&audience, "urn:pulumi:org:%s", values->value[PULUMI_ORGANIZATION]) < 0 ||
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
    ret_request->method = "POST";
    ret_request->content_type = "application/x-www-form-urlencoded";
    ret_request->accept = "application/vnd.pulumi+8";
    return 0;
}

static int pulumi_answer(const struct provider_values *values, long http_status, const void *body,
                         size_t body_len, struct provider_answer *answer)
{
    const char *api_url = pulumi_api_url(values);
    const char *organization = values->value[PULUMI_ORGANIZATION];
    static const struct oauth_rules rules = {.variable = "PULUMI_ACCESS_TOKEN"};
    int r = oauth_answer(http_status, body, body_len, &rules, answer);

    if (r < 0 || answer->outcome != OUTCOME_OK)
        return r;
    /* always: with a URL that stands in the job's environment, the token would go there */
    r = answer_add_variable(answer, "PULUMI_BACKEND_URL", api_url, (size_t)url_length(api_url));
    /* the CLI keeps the default in a file of the directory that it shares with no other login */
    if (r == 0)
        r = answer_add_variable(answer, "PULUMI_DEFAULT_ORGANIZATION", organization,
                                strlen(organization));
    return r;
}

const struct provider_exchange provider_pulumi_exchange = {
    .provider = &provider_pulumi,
    .request = pulumi_request,
    .answer = pulumi_answer,
};
