/* The settings of Pulumi Cloud. podlogind.conf(5) describes them. */
#include "provider/pulumi.h"

#include <stdint.h>
#include <string.h>

#include "base/json.h"
#include "base/setting.h"
#include "base/url.h"

#define DEFAULT_API_URL "https://api.pulumi.com"
#define AUDIENCE        "urn:pulumi:org:"

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
    [PULUMI_ORGANIZATION] = {"Organization", setting_expects_name},
    [PULUMI_TOKEN_TYPE] = {"TokenType", expects_token_type},
    [PULUMI_USER] = {"User", setting_expects_name},
    [PULUMI_TEAM] = {"Team", setting_expects_text},
    [PULUMI_RUNNER] = {"Runner", setting_expects_text},
    [PULUMI_SCOPE] = {"Scope", setting_expects_text},
    [PULUMI_EXPIRATION] = {"Expiration", expects_expiration},
    [PULUMI_API_URL] = {"APIURL", setting_expects_url},
    {0},
};

static const char *const variables[] = {"PULUMI_ACCESS_TOKEN", "PULUMI_BACKEND_URL",
                                        "PULUMI_DEFAULT_ORGANIZATION", NULL};

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

/* Pulumi Cloud exchanges a JWT for a token of the organization that its audience names. */
static int pulumi_check_audience(const struct provider_values *values, const char *audience,
                                 char *ret_error, size_t size)
{
    const char *organization = values->value[PULUMI_ORGANIZATION];

    if (!organization || strncmp(audience, AUDIENCE, strlen(AUDIENCE)) != 0 ||
        strcmp(audience + strlen(AUDIENCE), organization) == 0)
        return 0;
    return setting_wrong(ret_error, size,
                         "Audience=%.128s is of another organization than Organization=%.128s",
                         audience, organization);
}

const char *pulumi_api_url(const struct provider_values *values)
{
    return values->value[PULUMI_API_URL] ? values->value[PULUMI_API_URL] : DEFAULT_API_URL;
}

static char *pulumi_endpoint(const struct provider_values *values)
{
    return strdup(pulumi_api_url(values));
}

/* The name of the account that the API reports for the token; "": unknown, and the CLI asks. */
static const char *account_of(const struct provider_values *values)
{
    const struct pulumi_token_type *type = pulumi_token_type(values);

    if (type->target != PULUMI_USER)
        return values->value[PULUMI_ORGANIZATION];
    return values->value[PULUMI_USER] ? values->value[PULUMI_USER] : "";
}

/* Returns a JSON string of @len bytes of @text, in which a percent sign is no specifier. */
static json_t *literal(const char *text, size_t len)
{
    CLEANUP(freep)
    char *doubled = malloc(2 * len + 1);
    size_t n = 0;

    for (size_t i = 0; doubled && i < len; i++) {
        if (text[i] == '%')
            doubled[n++] = '%';
        doubled[n++] = text[i];
    }
    return doubled ? json_stringn(doubled, n) : NULL;
}

/*
 * Returns the template of credentials.json, as the Pulumi CLI writes it at login. The CLI sends the
 * token of this file even if PULUMI_ACCESS_TOKEN is set, so each token needs its own file. The CLI
 * trusts the file for an hour after lastValidatedAt; later, it asks the API for the account's name.
 */
static char *credentials_template(const struct provider_values *values)
{
    const char *url = pulumi_api_url(values), *account = account_of(values);
    CLEANUP(json_decrefp)
    json_t *name = literal(account, strlen(account));
    CLEANUP(json_decrefp)
    json_t *backend = literal(url, (size_t)url_length(url));
    CLEANUP(json_decrefp)
    json_t *file = NULL;
    const char *key = json_string_value(backend);

    if (name && key)
        file = json_pack("{s:O, s:{s:s}, s:{s:{s:s, s:O, s:s, s:{s:s, s:s}}}}", "current", backend,
                         "accessTokens", key, "%t", "accounts", key, "accessToken", "%t",
                         "username", name, "lastValidatedAt", "%n", "tokenInformation", "name", "",
                         "expiresAt", "%e");
    return file ? json_dumps(file, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
}

static const struct provider_file files[] = {{"credentials.json", credentials_template}, {0}};

const struct provider provider_pulumi = {
    .name = "pulumi",
    .section = "Pulumi",
    .settings = settings,
    .variables = variables,
    .directory_variable = "PULUMI_CREDENTIALS_PATH",
    .files = files,
    .check = pulumi_check,
    .check_audience = pulumi_check_audience,
    .endpoint = pulumi_endpoint,
};
