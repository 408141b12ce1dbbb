/* The settings of token exchange. podlogind.conf(5) describes them. */
#include "provider/rfc8693.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/setting.h"

#define URN "urn:ietf:params:oauth:token-type:"

static const char *const token_types[] = {
    URN "access_token", URN "id_token", URN "refresh_token", URN "jwt", URN "saml1", URN "saml2",
};

const char *rfc8693_token_type(const char *name)
{
    if (strchr(name, ':'))
        return name;
    for (size_t i = 0; i < sizeof(token_types) / sizeof(token_types[0]); i++)
        if (strcmp(token_types[i] + strlen(URN), name) == 0)
            return token_types[i];
    return NULL;
}

static const char *expects_token_type(const char *value)
{
    return !*value || (rfc8693_token_type(value) && !setting_expects_name(value))
               ? NULL
               : "access_token, id_token, jwt, refresh_token, saml1, saml2, or a URI";
}

static const char *expects_authentication(const char *value)
{
    return !*value || strcmp(value, "client_secret_basic") == 0 ||
                   strcmp(value, "client_secret_post") == 0
               ? NULL
               : "client_secret_basic or client_secret_post";
}

static const char *expects_lifetime(const char *value)
{
    uint64_t seconds;

    return !*value || setting_seconds(value, 1, TOKEN_LIFETIME_MAX_S, &seconds) == 0
               ? NULL
               : "a time span of at most 7d, such as 5min";
}

/* The fields that the provider itself fills. */
static bool is_own_field(const char *name, size_t len)
{
    static const char *const own[] = {
        "grant_type", "subject_token", "subject_token_type", "requested_token_type", "audience",
        "resource",   "scope",         "client_id",          "client_secret"};

    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        if (strlen(own[i]) == len && memcmp(own[i], name, len) == 0)
            return true;
    return false;
}

static bool is_form_text(const char *text, size_t len)
{
    static const char hex[] = "0123456789abcdefABCDEF";

    for (size_t i = 0; i < len; i++) {
        if (text[i] == '%' &&
            (i + 2 >= len || !strchr(hex, text[i + 1]) || !strchr(hex, text[i + 2])))
            return false;
        if (text[i] != '%' && !strchr("-._~+*", text[i]) && !(text[i] >= '0' && text[i] <= '9') &&
            !((text[i] | 0x20) >= 'a' && (text[i] | 0x20) <= 'z'))
            return false;
    }
    return true;
}

/* They are sent as they are, so each must be a field of its own. */
static const char *expects_parameters(const char *value)
{
    static const char expected[] =
        "fields in the form of a URL's query, such as connector_id=kubernetes&x=a%20b, other than "
        "those of other settings";

    while (*value) {
        size_t len = strcspn(value, "&"), name_len = strcspn(value, "=&");

        if (!name_len || value[name_len] != '=' || is_own_field(value, name_len) ||
            !is_form_text(value, name_len) ||
            !is_form_text(value + name_len + 1, len - name_len - 1))
            return expected;
        value += len;
        if (*value && !*++value)
            return expected;
    }
    return NULL;
}

static const struct provider_setting settings[] = {
    [RFC8693_TOKEN_URL] = {"TokenURL", setting_expects_url},
    [RFC8693_RESOURCE] = {"Resource", setting_expects_text},
    [RFC8693_AUDIENCE] = {"Audience", setting_expects_text},
    [RFC8693_SCOPE] = {"Scope", setting_expects_text},
    [RFC8693_REQUESTED_TOKEN_TYPE] = {"RequestedTokenType", expects_token_type},
    [RFC8693_SUBJECT_TOKEN_TYPE] = {"SubjectTokenType", expects_token_type},
    [RFC8693_CLIENT_ID] = {"ClientID", setting_expects_text},
    [RFC8693_CLIENT_SECRET_FILE] = {"ClientSecretFile", setting_expects_path,
                                    .is_secret_file = true},
    [RFC8693_CLIENT_AUTHENTICATION] = {"ClientAuthentication", expects_authentication},
    [RFC8693_PARAMETERS] = {"Parameters", expects_parameters},
    [RFC8693_LIFETIME] = {"Lifetime", expects_lifetime},
    [RFC8693_VARIABLE] = {"EnvironmentVariable", provider_expects_variable},
    {0},
};

const char *rfc8693_variable(const struct provider_values *values)
{
    return values->value[RFC8693_VARIABLE] ? values->value[RFC8693_VARIABLE] : "ACCESS_TOKEN";
}

bool rfc8693_posts_secret(const struct provider_values *values)
{
    const char *authentication = values->value[RFC8693_CLIENT_AUTHENTICATION];

    return authentication && strcmp(authentication, "client_secret_post") == 0;
}

static int rfc8693_check(const struct provider_values *values, size_t *ret_blamed, char *ret_error,
                         size_t size)
{
    *ret_blamed = PROVIDER_SETTINGS_MAX;
    if (!values->value[RFC8693_TOKEN_URL])
        return setting_wrong(ret_error, size, "TokenURL= is missing");
    *ret_blamed = RFC8693_CLIENT_SECRET_FILE;
    if (values->value[RFC8693_CLIENT_SECRET_FILE] && !values->value[RFC8693_CLIENT_ID])
        return setting_wrong(ret_error, size, "ClientSecretFile= requires ClientID=");
    *ret_blamed = RFC8693_CLIENT_AUTHENTICATION;
    if (values->value[RFC8693_CLIENT_AUTHENTICATION] && !values->value[RFC8693_CLIENT_SECRET_FILE])
        return setting_wrong(ret_error, size, "ClientAuthentication= requires ClientSecretFile=");
    return 0;
}

static char *rfc8693_endpoint(const struct provider_values *values)
{
    return strdup(values->value[RFC8693_TOKEN_URL]);
}

static bool rfc8693_may_set(const struct provider_values *values, const void *variable, size_t len)
{
    return provider_is_variable(rfc8693_variable(values), variable, len);
}

const struct provider provider_rfc8693 = {
    .name = "rfc8693",
    .section = "RFC8693",
    .settings = settings,
    .variables = (const char *const[]){NULL},
    .check = rfc8693_check,
    .endpoint = rfc8693_endpoint,
    .may_set = rfc8693_may_set,
};
