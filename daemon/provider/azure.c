/* The settings of Microsoft Entra ID. podlogind.conf(5) describes them. */
#include "provider/azure.h"

#include <stdio.h>
#include <string.h>

#include "base/setting.h"
#include "base/url.h"

#define ENDPOINT_DEFAULT "https://login.microsoftonline.com"

/* The tenant becomes a part of a path. */
static const char *expects_tenant(const char *value)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";

    return value[strspn(value, allowed)] || *value == '.' || strstr(value, "..") ||
                   strlen(value) > 253
               ? "the id of a tenant, or one of its domains"
               : NULL;
}

/* Clients without a user get what was granted to them before, and ask for no part of it. */
static const char *expects_scope(const char *value)
{
    static const char end[] = "/.default";
    size_t len = strlen(value);

    return !len || (len >= strlen(end) && strcmp(value + len - strlen(end), end) == 0)
               ? NULL
               : "one scope that ends with /.default, such as https://vault.azure.net/.default";
}

static const struct provider_setting settings[] = {
    [AZURE_TENANT] = {"Tenant", expects_tenant},
    [AZURE_CLIENT_ID] = {"ClientID", setting_expects_name},
    [AZURE_SCOPE] = {"Scope", expects_scope},
    [AZURE_ENDPOINT] = {"Endpoint", setting_expects_url},
    [AZURE_VARIABLE] = {"EnvironmentVariable", provider_expects_variable},
    {0},
};

const char *azure_variable(const struct provider_values *values)
{
    return values->value[AZURE_VARIABLE] ? values->value[AZURE_VARIABLE] : "AZURE_ACCESS_TOKEN";
}

char *azure_tenant_url(const struct provider_values *values)
{
    const char *endpoint = values->value[AZURE_ENDPOINT];
    char *url;

    if (!endpoint)
        endpoint = ENDPOINT_DEFAULT;
    return asprintf(&url, "%.*s/%s", url_length(endpoint), endpoint, values->value[AZURE_TENANT]) <
                   0
               ? NULL
               : url;
}

static int azure_check(const struct provider_values *values, size_t *ret_blamed, char *ret_error,
                       size_t size)
{
    *ret_blamed = PROVIDER_SETTINGS_MAX;
    if (!values->value[AZURE_TENANT])
        return setting_wrong(ret_error, size, "Tenant= is missing");
    if (!values->value[AZURE_CLIENT_ID])
        return setting_wrong(ret_error, size,
                             "ClientID= is missing; it is the application, or the managed "
                             "identity, that trusts the issuer");
    return 0;
}

static bool azure_may_set(const struct provider_values *values, const void *variable, size_t len)
{
    return provider_is_variable(azure_variable(values), variable, len);
}

const struct provider provider_azure = {
    .name = "azure",
    .section = "Azure",
    .settings = settings,
    .variables = (const char *const[]){NULL},
    .check = azure_check,
    .endpoint = azure_tenant_url,
    .may_set = azure_may_set,
};
