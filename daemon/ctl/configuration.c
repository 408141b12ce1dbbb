#include "ctl/configuration.h"

#include "ctl/ctl.h"

const struct config *ctl_load_config(const char *command, const char *directory)
{
    const struct config *config = NULL;
    struct findings findings;

    if (config_load(directory, &config, &findings) == 0)
        return config;
    for (size_t i = 0; i < findings.n; i++)
        if (findings.list[i].is_error)
            ctl_fail(EXIT_CODE_CONFIG, command, "%s", findings.list[i].text);
    return NULL;
}
