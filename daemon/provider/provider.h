/*
 * A provider is a kind of upstream. This is its first half: which settings it has, and which
 * variables it may set. The broker, podloginctl and the exchanger use it. The second half, which
 * only the exchanger needs, is provider/exchange.h. All of it is pure.
 */
#ifndef PROVIDER_H
#define PROVIDER_H

#include <stdbool.h>
#include <stddef.h>

#define PROVIDER_SETTINGS_MAX 16
#define TOKEN_LIFETIME_MAX_S  (7 * 24 * 3600) /* whatever an upstream says */

/* Values of the provider's section, in the order of provider->settings; NULL: not set. */
struct provider_values {
    const char *value[PROVIDER_SETTINGS_MAX];
};

struct provider_setting {
    const char *name;
    const char *(*expects)(const char *value); /* as setting_expects_text() */
};

struct provider {
    const char *name;                        /* of Provider= */
    const char *section;                     /* of the service file */
    const struct provider_setting *settings; /* name NULL at the end */
    const char *const *variables;            /* that its answers may set; NULL at the end */

    /*
     * Checks the settings together. Returns 0, or -EINVAL with a sentence in @ret_error, and the
     * index of the setting that it is about in @ret_blamed, PROVIDER_SETTINGS_MAX for none.
     */
    int (*check)(const struct provider_values *values, size_t *ret_blamed, char *ret_error,
                 size_t error_size);

    /* The URL that tells upstreams apart; valid as long as @values. */
    const char *(*endpoint)(const struct provider_values *values);
};

/* NULL: there is none of that name. */
const struct provider *provider_find(const char *name);

/* "pulumi, ..." for an error message. */
const char *provider_names(void);

/* Whether @variable is among those that the provider's answers may set. */
bool provider_may_set(const struct provider *provider, const void *variable, size_t len);

extern const struct provider provider_pulumi;

#endif
