/*
 * Settings that are made for each pod: %n stands for its namespace, %s for its service account, %p
 * for the pod, %% for a percent sign.
 */
#ifndef PROVIDER_SPECIFIERS_H
#define PROVIDER_SPECIFIERS_H

#include "provider/provider.h"

/* Names of a verified token. */
struct pod_names {
    const char *namespace;
    const char *serviceaccount;
    const char *pod; /* NULL: not bound to a pod */
};

/* Returns whether each percent sign in @text begins a specifier. */
bool specifiers_are_valid(const char *text);

/*
 * Returns whether the values depend on the pod, and not only on its service account: such values
 * cannot be those of a token that pods share.
 */
bool specifiers_name_pod(const struct provider *provider, const struct provider_values *values);

/*
 * Returns the value of a setting for a pod, which the caller frees. @value: NULL: not set.
 *
 * @ret_value: NULL if there is none.
 *
 * Returns 0 or -ENOMEM.
 */
int specifiers_expand(const struct provider_setting *setting, const char *value,
                      const struct pod_names *names, char **ret_value);

#endif
