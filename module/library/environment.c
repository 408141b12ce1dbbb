/* Reads the variables PODLOGIN_SERVICE and its like from a table. */
#include "library/environment.h"

#include <stdlib.h>
#include <string.h>

#include "library/server_trust.h"
#include "protocol/messages.h"
#include "text/time_span.h"

#define DEFAULT_SERVICE "pulumi"

const char *environment_value(const char *name)
{
    const char *value = secure_getenv(name);

    return value && *value ? value : NULL;
}

static bool read_socket(const char *value, struct environment *environment)
{
    environment->socket = value;
    return strlen(value) <= SOCKET_PATH_MAX;
}

static bool read_min_ttl(const char *value, struct environment *environment)
{
    uint64_t ms = 0;
    int r = time_span_parse(value, PODLOGIN_MIN_TTL_MAX_S * UINT64_C(1000), &ms);

    environment->min_ttl_s = (uint32_t)(ms / 1000);
    return r == 0;
}

static bool read_timeout(const char *value, struct environment *environment)
{
    uint64_t ms = 0;
    int r = time_span_parse(value, PODLOGIN_TIMEOUT_MAX_MS, &ms);

    environment->timeout_ms = (uint32_t)ms;
    return r == 0 && ms > 0;
}

static bool read_server_uid(const char *value, struct environment *environment)
{
    uint64_t uid = 0;

    for (; *value; value++) {
        uid = uid * 10 + (uint64_t)(*value - '0');
        if (*value < '0' || *value > '9' || uid >= (uid_t)-1)
            return false;
    }
    environment->server_uid = (uid_t)uid;
    return true;
}

static const struct variable {
    const char *name;
    bool (*read)(const char *value, struct environment *environment);
    const char *problem;
} variables[] = {
    {"PODLOGIN_SOCKET", read_socket, "not a path of at most 107 bytes"},
    {"PODLOGIN_MIN_TTL", read_min_ttl, "not a time span of at most 7d, such as 90min"},
    {"PODLOGIN_TIMEOUT", read_timeout, "not a time span of at most 60s, such as 10s"},
    {"PODLOGIN_SERVER_UID", read_server_uid, "not the number of a user, such as 0 for root"},
};

#define VARIABLES (sizeof(variables) / sizeof(variables[0]))

struct environment environment_default(void)
{
    return (struct environment){
        .service = DEFAULT_SERVICE,
        .socket = PODLOGIN_SOCKET_PATH,
        .timeout_ms = PODLOGIN_TIMEOUT_MS,
    };
}

const char *environment_set(struct environment *environment, const char *name, const char *value)
{
    for (size_t i = 0; i < VARIABLES; i++)
        if (strcmp(variables[i].name, name) == 0)
            return variables[i].read(value, environment) ? NULL : variables[i].problem;
    return "not a setting";
}

bool environment_read(struct environment *ret_environment, struct environment_fault *ret_fault)
{
    const char *service = environment_value("PODLOGIN_SERVICE");

    *ret_environment = environment_default();
    if (service)
        ret_environment->service = service;
    for (size_t i = 0; i < VARIABLES; i++) {
        const char *name = variables[i].name, *value = environment_value(name);
        const char *problem = value ? environment_set(ret_environment, name, value) : NULL;

        if (!problem)
            continue;
        *ret_fault = (struct environment_fault){name, value, problem};
        return false;
    }
    return true;
}
