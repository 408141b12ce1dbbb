/* The settings of Pulumi Cloud. podlogind.conf(5) describes them. */
#include "provider/pulumi.h"

#include <stdint.h>
#include <string.h>

#include "base/setting.h"

#define DEFAULT_API_URL "https://api.pulumi.com"

static const struct pulumi_token_type token_types[] = {
    {"organization", "urn:pulumi:token-type:access_token:organization", "", PULUMI_ORGANIZATION,
     false},
    {"team", "urn:pulumi:token-type:access_token:team", "team:", PULUMI_TEAM, true},
    {"personal", "urn:pulumi:token-type:access_token:personal", "user:", PULUMI_USER, true},
    {"runner", "urn:pulumi:token-type:access_token:runner", "runner:", PULUMI_RUNNER, true},
};

static const struct pulumi_token_type *find_token_type(const char *name)
{
    for (size_t i = 0; i < sizeof(token_types) / sizeof(token_types[0]); i++)
        if (strcmp(token_types[i].name, name) == 0)
            return &token_types[i];
    return NULL;
}

const struct pulumi_token_type *pulumi_token_type(const struct provider_values *values)
{
    const char *name = values->value[PULUMI_TOKEN_TYPE];

    return find_token_type(name ? name : "organization");
}

static const char *expects_token_type(const char *value)
{
    return !*value || find_token_type(value) ? NULL : "organization, team, personal or runner";
}

static const char *expects_expiration(const char *value)
{
    uint64_t seconds;

    return !*value || setting_seconds(value, 1, TOKEN_LIFETIME_MAX_S, &seconds) == 0
               ? NULL
               : "a time span of at most 7d, such as 2h";
}

static const struct provider_setting settings[] = {
    [PULUMI_ORGANIZATION] = {"Organization", setting_expects_text},
    [PULUMI_TOKEN_TYPE] = {"TokenType", expects_token_type},
    [PULUMI_USER] = {"User", setting_expects_text},
    [PULUMI_TEAM] = {"Team", setting_expects_text},
    [PULUMI_RUNNER] = {"Runner", setting_expects_text},
    [PULUMI_SCOPE] = {"Scope", setting_expects_text},
    [PULUMI_EXPIRATION] = {"Expiration", expects_expiration},
    [PULUMI_API_URL] = {"APIURL", setting_expects_url},
    {0},
};

static const char *const variables[] = {"PULUMI_ACCESS_TOKEN", "PULUMI_BACKEND_URL", NULL};

/* Refuses targets that have no effect, such as User= with TokenType=team: they are mistakes. */
static int check_target(const struct provider_values *values, const struct pulumi_token_type *type,
                        size_t *ret_blamed, char *ret_error, size_t size)
{
    for (enum pulumi_setting target = PULUMI_USER; target <= PULUMI_RUNNER; target++) {
        bool fits = type->has_target && type->target == target;
        const char *value = values->value[target];

        *ret_blamed = target;
        if (value && !fits)
            return setting_wrong(ret_error, size, "%s=%.64s cannot be used with TokenType=%s",
                                 settings[target].name, value, type->name);
        if (value && values->value[PULUMI_SCOPE])
            return setting_wrong(ret_error, size, "%s= and Scope= set the same thing; set only one",
                                 settings[target].name);
    }
    *ret_blamed = PULUMI_TOKEN_TYPE;
    if (type->has_target && !values->value[type->target] && !values->value[PULUMI_SCOPE])
        return setting_wrong(ret_error, size, "TokenType=%s requires %s=", type->name,
                             settings[type->target].name);
    return 0;
}

static int pulumi_check(const struct provider_values *values, size_t *ret_blamed, char *ret_error,
                        size_t size)
{
    *ret_blamed = PROVIDER_SETTINGS_MAX;
    if (!values->value[PULUMI_ORGANIZATION])
        return setting_wrong(ret_error, size, "Organization= is missing");
    return check_target(values, pulumi_token_type(values), ret_blamed, ret_error, size);
}

static const char *pulumi_endpoint(const struct provider_values *values)
{
    return values->value[PULUMI_API_URL] ? values->value[PULUMI_API_URL] : DEFAULT_API_URL;
}

const struct provider provider_pulumi = {
    .name = "pulumi",
    .section = "Pulumi",
    .settings = settings,
    .variables = variables,
    .check = pulumi_check,
    .endpoint = pulumi_endpoint,
};
