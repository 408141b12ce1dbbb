/*
 * A provider is a kind of upstream. This is its first half: its settings, and the variables that
 * its answers may set. The broker, podloginctl and the exchanger use it. The second half is
 * provider/exchange.h, for the exchanger and podloginctl. Neither half does I/O.
 */
#ifndef PROVIDER_PROVIDER_H
#define PROVIDER_PROVIDER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/secret.h"
#include "provider/providers.h"

#define PROVIDER_SETTINGS_MAX 16
#define PROVIDER_FILES_MAX    4
#define TOKEN_LIFETIME_MAX_S  (7 * 24 * 3600) /* even if an upstream says more */

/* Values of the provider's section, in the order of provider->settings; NULL: not set. */
struct provider_values {
    const char *value[PROVIDER_SETTINGS_MAX];
    const struct secret *secret; /* what the setting with is_secret_file names; NULL: none, or the
                                    process has no use for it */
};

struct provider_setting {
    const char *name;
    const char *(*expects)(const char *value); /* like setting_expects_text() */
    const char *otherwise; /* the value if it is not set and has_specifiers; NULL: none */
    bool has_specifiers;   /* the value is made for each pod (provider/specifiers.h) */
    bool is_secret_file;   /* the value is a path; one setting of a provider at most */
};

/*
 * A file that programs read the token from, in a directory of its own for each login. It is made in
 * the container, from a template in which the client replaces the specifiers %t, %n, %e and %%
 * (docs/protocol.md).
 */
struct provider_file {
    const char *name;

    /* Returns the template, which the caller frees; NULL: out of memory. */
    char *(*template)(const struct provider_values *values);
};

struct provider {
    const char *name;                        /* of Provider= */
    const char *section;                     /* of the service file */
    const struct provider_setting *settings; /* ends with a name of NULL */
    const char *const *variables;            /* that its answers may set; ends with NULL */
    const char *const *unset; /* variables that would send the token elsewhere, or another token
                                 instead of it: the client removes them; NULL: none */
    const char *directory_variable;    /* names the directory of the files; NULL: none */
    const struct provider_file *files; /* ends with a name of NULL */
    bool is_program; /* not a server: the exchanger for programs runs it, and the endpoint is its
                        command */

    /*
     * Checks the settings together. Returns 0, or -EINVAL with a sentence in @ret_error.
     *
     * @ret_blamed: on failure, the index of the setting at fault, or PROVIDER_SETTINGS_MAX.
     */
    int (*check)(const struct provider_values *values, size_t *ret_blamed, char *ret_error,
                 size_t error_size);

    /*
     * Checks the audience of JWTs against the settings. Returns 0, or -EINVAL with a sentence in
     * @ret_error. NULL: any audience is valid.
     */
    int (*check_audience)(const struct provider_values *values, const char *audience,
                          char *ret_error, size_t error_size);

    /* Returns the URL that identifies the upstream, which the caller frees; NULL: out of memory. */
    char *(*endpoint)(const struct provider_values *values);

    /*
     * Returns whether the settings name @variable, of @len bytes, as one more that answers may set.
     * NULL: no setting does.
     */
    bool (*may_set)(const struct provider_values *values, const void *variable, size_t len);

    /*
     * Returns the variables, separated by blanks, that an answer may set or not, and that the
     * client removes in between; NULL: none. NULL: there never are any.
     */
    const char *(*optional_variables)(const struct provider_values *values);
};

/* Returns the provider @name, or NULL. */
const struct provider *provider_find(const char *name);

/* Like setting_expects_text(), for the name of a variable that is safe to set. */
const char *provider_expects_variable(const char *value);

/* Returns whether @variable, of @len bytes, is @name. */
bool provider_is_variable(const char *name, const void *variable, size_t len);

/* Returns the names of all providers, "pulumi, ...", for an error message. */
const char *provider_names(void);

/* Returns whether the provider's answers may set @variable, which has @len bytes. */
bool provider_may_set(const struct provider *provider, const struct provider_values *values,
                      const void *variable, size_t len);

#define PROVIDER_DECLARE(name, id) extern const struct provider provider_##id;
PROVIDERS(PROVIDER_DECLARE)

#endif
