#include "provider/specifiers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool specifiers_are_valid(const char *text)
{
    while ((text = strchr(text, '%'))) {
        if (!text[1] || !strchr("nsp%", text[1]))
            return false;
        text += 2;
    }
    return true;
}

static bool has_pod(const char *text)
{
    while (text && (text = strchr(text, '%')) && text[1]) {
        if (text[1] == 'p')
            return true;
        text += 2;
    }
    return false;
}

bool specifiers_name_pod(const struct provider *provider, const struct provider_values *values)
{
    for (size_t i = 0; provider->settings[i].name; i++)
        if (provider->settings[i].has_specifiers && has_pod(values->value[i]))
            return true;
    return false;
}

static const char *name_of(char specifier, const struct pod_names *names)
{
    switch (specifier) {
    case 'n':
        return names->namespace;
    case 's':
        return names->serviceaccount;
    case 'p':
        return names->pod ? names->pod : "";
    default:
        return "%";
    }
}

static void expand(FILE *file, const char *text, const struct pod_names *names)
{
    for (; *text; text++) {
        if (*text == '%' && text[1])
            fputs(name_of(*++text, names), file);
        else
            fputc(*text, file);
    }
}

int specifiers_expand(const struct provider_setting *setting, const char *value,
                      const struct pod_names *names, char **ret_value)
{
    size_t size;
    FILE *file;

    *ret_value = NULL;
    if (!value && setting->has_specifiers)
        value = setting->otherwise;
    if (!value)
        return 0;
    if (!setting->has_specifiers) {
        *ret_value = strdup(value);
        return *ret_value ? 0 : -ENOMEM;
    }
    file = open_memstream(ret_value, &size);
    if (!file)
        return -ENOMEM;
    expand(file, value, names);
    if (fclose(file) == 0)
        return 0;
    free(*ret_value);
    *ret_value = NULL;
    return -ENOMEM;
}
