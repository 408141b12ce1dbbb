#include "provider/provider.h"

#include <string.h>

static const struct provider *const providers[] = {
    &provider_pulumi,
};

const struct provider *provider_find(const char *name)
{
    for (size_t i = 0; i < sizeof(providers) / sizeof(providers[0]); i++)
        if (strcmp(providers[i]->name, name) == 0)
            return providers[i];
    return NULL;
}

const char *provider_names(void)
{
    return "pulumi";
}

bool provider_may_set(const struct provider *provider, const struct provider_values *values,
                      const void *variable, size_t len)
{
    for (const char *const *name = provider->variables; *name; name++)
        if (strlen(*name) == len && memcmp(*name, variable, len) == 0)
            return true;
    return provider->may_set && provider->may_set(values, variable, len);
}
