#include "standin/admissions.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "standin/memory.h"

#define LIFETIME_DEFAULT_S 3600

/* The members of all kinds that are strings. */
static const char *const common[] = {"kind", "role", "subject", "audience", NULL};

/* The further members of each kind that are strings. */
static const struct {
    const char *kind;
    const char *members[8];
} kinds[] = {
    {"aws-sts", {NULL}},
    {"vault", {"mount", "namespace", NULL}},
    {"rfc8693",
     {"resource", "client_id", "client_secret", "client_authentication", "scope", "parameters",
      "omit", NULL}},
    {"azure", {"tenant", "scope", NULL}},
};

json_t *admissions_default(void)
{
    static const char text[] =
        "[{\"kind\":\"aws-sts\",\"role\":\"arn:aws:iam::123456789012:role/ci\","
        "  \"audience\":\"sts.amazonaws.com\"},"
        " {\"kind\":\"vault\",\"namespace\":\"\",\"mount\":\"jwt\",\"role\":\"ci\","
        "  \"audience\":\"vault\"},"
        " {\"kind\":\"rfc8693\",\"client_authentication\":\"none\"},"
        " {\"kind\":\"azure\",\"tenant\":\"72f988bf-86f1-41af-91ab-2d7cd011db47\","
        "  \"role\":\"6731de76-14a6-49ae-97bc-6eba6914391e\","
        "  \"audience\":\"api://AzureADTokenExchange\"}]";

    return must(json_loads(text, 0, NULL));
}

static bool is_listed(const char *const *names, const char *name)
{
    while (*names && strcmp(*names, name) != 0)
        names++;
    return *names;
}

static char *member_check(const char *const *further, const char *name, const json_t *value)
{
    if (is_listed(common, name) || is_listed(further, name))
        return json_is_string(value) ? NULL : must_print("%s is not a string", name);
    if (strcmp(name, "lifetime") != 0)
        return must_print("there is no %s in an admission of this kind", name);
    if (json_integer_value(value) < 1 || json_integer_value(value) > INT32_MAX)
        return must_copy("lifetime is out of range");
    return NULL;
}

static char *admission_check(json_t *admission)
{
    const char *kind = json_string_value(json_object_get(admission, "kind"));
    char *error = NULL;
    const char *name;
    json_t *value;
    size_t i = 0;

    while (kind && i < sizeof(kinds) / sizeof(kinds[0]) && strcmp(kinds[i].kind, kind) != 0)
        i++;
    if (!kind || i == sizeof(kinds) / sizeof(kinds[0]))
        return must_copy("an admission is of no known kind");
    json_object_foreach(admission, name, value)
    {
        if (!error)
            error = member_check(kinds[i].members, name, value);
    }
    return error;
}

char *admissions_check(const json_t *admissions)
{
    char *error = json_is_array(admissions) ? NULL : must_copy("admissions is not an array");
    json_t *admission;
    size_t i;

    json_array_foreach(admissions, i, admission)
    {
        if (!error)
            error = admission_check(admission);
    }
    return error;
}

static bool meets(const json_t *admission, const struct criterion *criterion)
{
    const char *wanted = json_string_value(json_object_get(admission, criterion->name));

    return !wanted || (criterion->value && strcmp(wanted, criterion->value) == 0);
}

/* "aud" is a string or an array (RFC 7519, section 4.1.3). */
static bool meets_audience(const json_t *admission, const json_t *claims)
{
    const char *wanted = json_string_value(json_object_get(admission, "audience"));
    const json_t *audience = json_object_get(claims, "aud");
    const char *only = json_string_value(audience);
    json_t *one;
    size_t i;

    if (!wanted || (only && strcmp(only, wanted) == 0))
        return true;
    json_array_foreach(audience, i, one)
    {
        if (json_is_string(one) && strcmp(json_string_value(one), wanted) == 0)
            return true;
    }
    return false;
}

/* Returns how many criteria the admission meets before the first that it misses. */
static size_t criteria_met(const json_t *admission, const struct criterion *criteria,
                           const json_t *claims, const char **ret_missed)
{
    struct criterion subject = {"subject", json_string_value(json_object_get(claims, "sub"))};
    size_t met = 0;

    for (; criteria[met].name; met++)
        if (!meets(admission, &criteria[met])) {
            *ret_missed = criteria[met].name;
            return met;
        }
    if (claims && !meets(admission, &subject)) {
        *ret_missed = "subject";
        return met;
    }
    *ret_missed = !claims || meets_audience(admission, claims) ? NULL : "audience";
    return met + 1;
}

const json_t *admissions_find(const json_t *admissions, const char *kind,
                              const struct criterion *criteria, const json_t *claims,
                              const char **ret_missed)
{
    size_t i, met, most = 0;
    json_t *admission;

    *ret_missed = criteria[0].name;
    json_array_foreach(admissions, i, admission)
    {
        const char *missed;

        if (strcmp(json_string_value(json_object_get(admission, "kind")), kind) != 0)
            continue;
        met = criteria_met(admission, criteria, claims, &missed);
        if (!missed)
            return admission;
        if (met >= most) {
            most = met;
            *ret_missed = missed;
        }
    }
    return NULL;
}

json_int_t admission_lifetime(const json_t *admission)
{
    const json_t *lifetime = json_object_get(admission, "lifetime");

    return lifetime ? json_integer_value(lifetime) : LIFETIME_DEFAULT_S;
}
