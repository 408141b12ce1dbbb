#include "provider/provider.h"

#include <string.h>

#include "protocol/names.h"

#define ADDRESS(name, id) &provider_##id,
static const struct provider *const providers[] = {PROVIDERS(ADDRESS)};

const struct provider *provider_find(const char *name)
{
    for (size_t i = 0; i < sizeof(providers) / sizeof(providers[0]); i++)
        if (strcmp(providers[i]->name, name) == 0)
            return providers[i];
    return NULL;
}

const char *provider_names(void)
{
#define LISTED(name, id) ", " name
    return &PROVIDERS(LISTED)[2];
}

const char *provider_expects_variable(const char *value)
{
    return !*value || variable_name_is_safe(value, strlen(value))
               ? NULL
               : "the name of a variable, such as ACCESS_TOKEN, that does not change how programs "
                 "run";
}

bool provider_is_variable(const char *name, const void *variable, size_t len)
{
    return strlen(name) == len && memcmp(name, variable, len) == 0;
}

bool provider_may_set(const struct provider *provider, const struct provider_values *values,
                      const void *variable, size_t len)
{
    for (const char *const *name = provider->variables; *name; name++)
        if (provider_is_variable(*name, variable, len))
            return true;
    return provider->may_set && provider->may_set(values, variable, len);
}
