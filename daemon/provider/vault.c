/* The settings of Vault and OpenBao. podlogind.conf(5) describes them. */
#include "provider/vault.h"

#include <string.h>

#include "base/setting.h"
#include "base/url.h"

/* A path of the API: it becomes part of a URL, or the value of a header. */
static bool is_path(const char *value)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "-_./";

    return !value[strspn(value, allowed)] && !strstr(value, "..") && !strstr(value, "//") &&
           *value != '/' && strlen(value) <= 256;
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = (size_t)url_length(text), end_len = strlen(end);

    return len >= end_len && memcmp(text + len - end_len, end, end_len) == 0;
}

static const char *expects_address(const char *value)
{
    const char *expected = setting_expects_url(value);

    return expected ? expected : ends_with(value, "/v1") ? "the URL without /v1" : NULL;
}

static const char *expects_mount(const char *value)
{
    if (strncmp(value, "auth/", 5) == 0)
        return "the path without auth/, such as jwt";
    return is_path(value) ? NULL : "a path of letters, digits, '-', '_', '.' and '/', such as jwt";
}

static const char *expects_namespace(const char *value)
{
    return is_path(value) ? NULL
                          : "a path of letters, digits, '-', '_', '.' and '/', such as team/a";
}

static const struct provider_setting settings[] = {
    [VAULT_ADDRESS] = {"Address", expects_address},
    [VAULT_MOUNT] = {"Mount", expects_mount},
    [VAULT_ROLE] = {"Role", setting_expects_name},
    [VAULT_NAMESPACE] = {"Namespace", expects_namespace},
    {0},
};

static const char *const variables[] = {"VAULT_TOKEN", "VAULT_ADDR", "VAULT_NAMESPACE", NULL};

/* Vault's client prefers an agent's address; OpenBao's prefers its own names. */
static const char *const unset[] = {
    "VAULT_AGENT_ADDR", "VAULT_NAMESPACE", "BAO_ADDR", "BAO_AGENT_ADDR",
    "BAO_NAMESPACE",    "BAO_TOKEN",       NULL,
};

static int vault_check(const struct provider_values *values, size_t *ret_blamed, char *ret_error,
                       size_t size)
{
    *ret_blamed = PROVIDER_SETTINGS_MAX;
    if (!values->value[VAULT_ADDRESS])
        return setting_wrong(ret_error, size, "Address= is missing");
    return 0;
}

static char *vault_endpoint(const struct provider_values *values)
{
    const char *address = values->value[VAULT_ADDRESS];

    return strndup(address, (size_t)url_length(address));
}

const struct provider provider_vault = {
    .name = "vault",
    .section = "Vault",
    .settings = settings,
    .variables = variables,
    .unset = unset,
    .check = vault_check,
    .endpoint = vault_endpoint,
};
