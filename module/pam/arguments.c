/* Reads the arguments from a table. Values have the form that they have in the environment. */
#include "pam/arguments.h"

#include <stddef.h>
#include <string.h>

#include "library/subject_token.h"
#include "pam/token_path.h"
#include "protocol/names.h"

static const char *set_service(struct arguments *arguments, const char *value)
{
    arguments->settings.service = value;
    return service_name_is_valid(value, strlen(value)) ? NULL : "not the name of a service";
}

static const char *set_timeout(struct arguments *arguments, const char *value)
{
    return environment_set(&arguments->settings, "PODLOGIN_TIMEOUT", value);
}

static const char *set_min_ttl(struct arguments *arguments, const char *value)
{
    return environment_set(&arguments->settings, "PODLOGIN_MIN_TTL", value);
}

static const char *set_server_uid(struct arguments *arguments, const char *value)
{
    return environment_set(&arguments->settings, "PODLOGIN_SERVER_UID", value);
}

/* Programs of PAM run in any directory, so paths are absolute. */
static const char *set_socket(struct arguments *arguments, const char *value)
{
    if (value[0] != '/')
        return "not an absolute path";
    return environment_set(&arguments->settings, "PODLOGIN_SOCKET", value);
}

static const char *set_token_file(struct arguments *arguments, const char *value)
{
    arguments->token_file = value;
    return token_path_is_valid(value) ? NULL : "not an absolute path, in which % is %u or %%";
}

static const char *set_variable(struct arguments *arguments, const char *value)
{
    arguments->variable = value;
    return variable_name_is_safe(value, strlen(value))
               ? NULL
               : "not a variable [A-Z][A-Z0-9_]* that a token may set";
}

static const struct option {
    const char *name;
    const char *(*set)(struct arguments *arguments, const char *value); /* NULL, or the problem */
} options[] = {
    {"service", set_service},       {"timeout", set_timeout}, {"token_file", set_token_file},
    {"env", set_variable},          {"socket", set_socket},   {"min_ttl", set_min_ttl},
    {"server_uid", set_server_uid},
};

#define OPTIONS (sizeof(options) / sizeof(options[0]))

/* Returns the index of the option in @argument, or OPTIONS. */
static size_t option_find(const char *argument, size_t name_len)
{
    size_t i = 0;

    while (i < OPTIONS && (strlen(options[i].name) != name_len ||
                           memcmp(options[i].name, argument, name_len) != 0))
        i++;
    return i;
}

/* Returns NULL, or what is wrong with @argument. @seen has a bit for each option that was there. */
static const char *argument_read(const char *argument, size_t name_len, unsigned *seen,
                                 struct arguments *arguments)
{
    size_t i = option_find(argument, name_len);

    if (i == OPTIONS)
        return "not an option";
    if (*seen & 1u << i)
        return "given twice";
    *seen |= 1u << i;
    /* in the environment, an empty variable is one that is not set */
    if (argument[name_len] == '\0' || argument[name_len + 1] == '\0')
        return "the option needs a value";
    return options[i].set(arguments, argument + name_len + 1);
}

bool arguments_parse(int argc, const char *const *argv, struct arguments *ret_arguments,
                     struct arguments_fault *ret_fault)
{
    unsigned seen = 0;

    *ret_arguments = (struct arguments){
        .settings = environment_default(),
        .token_file = SUBJECT_TOKEN_PATH,
    };
    for (int i = 0; i < argc; i++) {
        size_t name_len = strcspn(argv[i], "=");
        const char *problem = argument_read(argv[i], name_len, &seen, ret_arguments);

        if (!problem)
            continue;
        *ret_fault = (struct arguments_fault){argv[i], (int)name_len, problem};
        return false;
    }
    return true;
}
