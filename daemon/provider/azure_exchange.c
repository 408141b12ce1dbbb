/*
 * Microsoft Entra ID: a client credentials grant in which the JWT is the client's assertion
 * ("workload identity federation"; RFC 7523, section 2.2).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "provider/azure.h"
#include "provider/exchange.h"
#include "provider/form.h"
#include "provider/oauth.h"

#define SCOPE_DEFAULT  "https://management.azure.com/.default"
#define ASSERTION_TYPE "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

static struct form_field field(const char *name, const char *value)
{
    return (struct form_field){name, value, strlen(value)};
}

static int azure_request(const struct provider_values *values, const struct secret *jwt,
                         struct provider_request *ret_request)
{
    const char *client_id = values->value[AZURE_CLIENT_ID], *scope = values->value[AZURE_SCOPE];
    CLEANUP(freep)
    char *tenant = NULL;

    if (!values->value[AZURE_TENANT] || !client_id)
        return -EINVAL;

    const struct form_field fields[] = {
        field("client_id", client_id),
        field("scope", scope ? scope : SCOPE_DEFAULT),
        field("client_assertion_type", ASSERTION_TYPE),
        {"client_assertion", jwt->bytes, jwt->len},
        field("grant_type", "client_credentials"),
    };

    ret_request->method = "POST";
    ret_request->accept = "application/json";
    ret_request->content_type = "application/x-www-form-urlencoded";
    ret_request->body = form_encode(fields, sizeof(fields) / sizeof(fields[0]));
    tenant = azure_tenant_url(values);
    if (!ret_request->body || !tenant)
        return -ENOMEM;
    if (asprintf(&ret_request->url, "%s/oauth2/v2.0/token", tenant) >= 0)
        return 0;
    ret_request->url = NULL;
    return -ENOMEM;
}

/*
 * The JWT is the only credential of the client, so that "invalid_client" is about it. The server
 * says what is wrong in a number of its own, such as AADSTS700024, in error_description.
 */
static int azure_answer(const struct provider_values *values, long http_status, const void *body,
                        size_t body_len, struct provider_answer *answer)
{
    const struct oauth_rules rules = {.variable = azure_variable(values)};

    return oauth_answer(http_status, body, body_len, &rules, answer);
}

const struct provider_exchange provider_azure_exchange = {
    .provider = &provider_azure,
    .request = azure_request,
    .answer = azure_answer,
};
