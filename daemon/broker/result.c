#include "broker/result.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "protocol/messages.h"
#include "protocol/names.h"

/* Whether the value is safe in an environment variable, a header and a terminal. */
static bool is_printable(struct wire_bytes value, uint8_t least)
{
    for (size_t i = 0; i < value.len; i++)
        if (value.at[i] < least || value.at[i] >= 0x7f)
            return false;
    return true;
}

static bool is_token(struct wire_bytes value)
{
    return value.len > 0 && value.len <= PODLOGIN_TOKEN_MAX && is_printable(value, 0x21);
}

/* The provider decides; the general rule is a second line of defence. */
static bool may_set(const struct service *service, const void *name, size_t len)
{
    const struct provider_values values = service_values(service);

    return variable_name_is_safe(name, len) &&
           provider_may_set(service->provider, &values, name, len);
}

/* Whether the text is "NAME=VALUE" with a name that the provider may set. */
static bool is_attribute(struct wire_bytes text, const struct service *service)
{
    const uint8_t *equals = text.len ? memchr(text.at, '=', text.len) : NULL;

    return equals && text.len <= PODLOGIN_ATTRIBUTE_MAX && is_printable(text, 0x20) &&
           may_set(service, text.at, (size_t)(equals - text.at));
}

static bool wrong(char *ret_detail, size_t size, const char *what)
{
    snprintf(ret_detail, size, "the exchanger's answer is not valid: %s", what);
    return false;
}

bool result_check(const struct job_result *result, const struct service *service, char *ret_detail,
                  size_t size)
{
    if (!is_token(result->token))
        return wrong(ret_detail, size, "the token is missing, too long or not printable");
    if (!result->token_type.len || !is_printable(result->token_type, 0x21))
        return wrong(ret_detail, size, "the token type is missing or not printable");
    if (!may_set(service, result->variable.at, result->variable.len))
        return wrong(ret_detail, size, "the provider may not set the variable");
    for (size_t i = 0; i < result->attributes.n; i++)
        if (!is_attribute(result->attributes.item[i], service))
            return wrong(ret_detail, size,
                         "a further variable is not valid, or the provider may not set it");
    if (!result_lifetime_s(result, clock_now().wall_s))
        return wrong(ret_detail, size, "the token has expired or has no lifetime");
    return true;
}

uint32_t result_lifetime_s(const struct job_result *result, int64_t now_s)
{
    int64_t lifetime_s = result->expires_in_s ? result->expires_in_s : INT64_MAX;

    if (result->expires_at_s && (int64_t)result->expires_at_s - now_s < lifetime_s)
        lifetime_s = (int64_t)result->expires_at_s - now_s;
    if (lifetime_s <= 0 || lifetime_s == INT64_MAX)
        return 0;
    return (uint32_t)(lifetime_s < TOKEN_LIFETIME_MAX_S ? lifetime_s : TOKEN_LIFETIME_MAX_S);
}
