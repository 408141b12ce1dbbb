/* The settings of a program that exchanges tokens. podlogind.conf(5) describes them. */
#include "provider/exec.h"

#include <string.h>

#include "base/setting.h"
#include "protocol/names.h"

#define TIMEOUT_MAX_S 10 /* with the time for its end, less than the broker waits for a job */
#define NAMES_MAX     8
#define PATHS_MAX     16

/* Counts the words; returns @max + 1 if there are more, or one is not valid. */
static size_t count_words(const char *value, size_t max, bool (*is_valid)(const char *, size_t))
{
    size_t n = 0, len;
    const char *word;

    while (n <= max && (word = setting_word(&value, &len)))
        n = is_valid(word, len) ? n + 1 : max + 1;
    return n;
}

static bool is_path(const char *word, size_t len)
{
    return len > 0 && word[0] == '/';
}

/* Nothing is done with what a shell would replace, so it is a mistake. */
static bool is_argument(const char *word, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (strchr("\"'`\\$", word[i]))
            return false;
    return true;
}

static const char *expects_command(const char *value)
{
    return !*value || (*value == '/' &&
                       count_words(value, EXEC_ARGUMENTS_MAX, is_argument) <= EXEC_ARGUMENTS_MAX)
               ? NULL
               : "the path of a program, which begins with /, and its arguments, separated by "
                 "blanks, without quotes, backslashes and $: no shell reads them";
}

static const char *expects_timeout(const char *value)
{
    uint64_t seconds;

    return !*value || setting_seconds(value, 1, TIMEOUT_MAX_S, &seconds) == 0
               ? NULL
               : "a time span from 1s to 10s";
}

static const char *expects_variables(const char *value)
{
    return count_words(value, NAMES_MAX, variable_name_is_safe) <= NAMES_MAX
               ? NULL
               : "at most 8 names of variables that change no other program, separated by blanks";
}

static const char *expects_paths(const char *value)
{
    return count_words(value, PATHS_MAX, is_path) <= PATHS_MAX
               ? NULL
               : "at most 16 paths that begin with /, separated by blanks";
}

static const struct provider_setting settings[] = {
    [EXEC_COMMAND] = {"Command", expects_command},
    [EXEC_TIMEOUT] = {"Timeout", expects_timeout},
    [EXEC_ENVIRONMENT_VARIABLE] = {"EnvironmentVariable", provider_expects_variable},
    [EXEC_VARIABLES] = {"Variables", expects_variables},
    [EXEC_READ_PATHS] = {"ReadPaths", expects_paths},
    [EXEC_READ_WRITE_PATHS] = {"ReadWritePaths", expects_paths},
    {0},
};

static const char *const no_variables[] = {NULL};

const char *exec_token_variable(const struct provider_values *values)
{
    const char *name = values->value[EXEC_ENVIRONMENT_VARIABLE];

    return name ? name : "ACCESS_TOKEN";
}

uint64_t exec_timeout_s(const struct provider_values *values)
{
    const char *value = values->value[EXEC_TIMEOUT];
    uint64_t seconds = EXEC_TIMEOUT_S;

    if (value && setting_seconds(value, 1, TIMEOUT_MAX_S, &seconds) < 0)
        seconds = EXEC_TIMEOUT_S;
    return seconds;
}

static bool exec_may_set(const struct provider_values *values, const void *variable, size_t len)
{
    const char *names[] = {exec_token_variable(values), values->value[EXEC_VARIABLES]}, *word;
    size_t word_len;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        for (const char *at = names[i]; at && (word = setting_word(&at, &word_len));)
            if (word_len == len && memcmp(word, variable, len) == 0)
                return true;
    return false;
}

static int exec_check(const struct provider_values *values, size_t *ret_blamed, char *ret_error,
                      size_t size)
{
    const char *names = values->value[EXEC_VARIABLES], *token = exec_token_variable(values), *word;
    size_t len;

    *ret_blamed = PROVIDER_SETTINGS_MAX;
    if (!values->value[EXEC_COMMAND])
        return setting_wrong(ret_error, size, "Command= is missing");
    *ret_blamed = EXEC_VARIABLES;
    while (names && (word = setting_word(&names, &len)))
        if (provider_is_variable(token, word, len))
            return setting_wrong(ret_error, size,
                                 "Variables= names %s, which is the variable of the token", token);
    return 0;
}

static const char *exec_optional_variables(const struct provider_values *values)
{
    return values->value[EXEC_VARIABLES];
}

static char *exec_endpoint(const struct provider_values *values)
{
    return strdup(values->value[EXEC_COMMAND] ? values->value[EXEC_COMMAND] : "");
}

const struct provider provider_exec = {
    .name = "exec",
    .section = "Exec",
    .settings = settings,
    .variables = no_variables,
    .is_program = true,
    .check = exec_check,
    .endpoint = exec_endpoint,
    .may_set = exec_may_set,
    .optional_variables = exec_optional_variables,
};
