#include "standin/azure/error.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "standin/encoding.h"
#include "standin/memory.h"
#include "standin/reply.h"

/* The detail follows the description, in quotes. */
static const struct azure_code {
    const char *name;
    unsigned status;
    const char *error; /* RFC 6749, section 5.2 */
    const char *description;
    const char *alias; /* the name by which a fault asks every upstream for it */
} codes[] = {
    {"AADSTS50013", 401, "invalid_client",
     "Assertion failed signature validation. [Reason - The key was not found.]", NULL},
    {"AADSTS50027", 400, "invalid_request", "JWT token is invalid or malformed.", NULL},
    {"AADSTS70003", 400, "unsupported_grant_type", "The app requested an unsupported grant type",
     NULL},
    {"AADSTS90002", 400, "invalid_request",
     "Tenant was not found. Check to make sure you have the correct tenant ID and are signing into "
     "the correct cloud.",
     NULL},
    {"AADSTS90033", 503, "temporarily_unavailable",
     "A transient error has occurred. Please try again.", "unavailable"},
    {"AADSTS90055", 429, "temporarily_unavailable",
     "Multiple concurrent requests. The server terminated this operation because it encountered "
     "a limit on the server side.",
     "throttled"},
    {"AADSTS700016", 400, "unauthorized_client",
     "The application was not found in the directory. This can happen if the application has not "
     "been installed by the administrator of the tenant.",
     NULL},
    {"AADSTS700024", 401, "invalid_client", "Client assertion is not within its valid time range.",
     NULL},
    {"AADSTS700211", 401, "invalid_client",
     "No matching federated identity record found for presented assertion issuer.", NULL},
    {"AADSTS700212", 401, "invalid_client",
     "No matching federated identity record found for presented assertion audience.", NULL},
    {"AADSTS700213", 401, "invalid_client",
     "No matching federated identity record found for presented assertion subject.", NULL},
    {"AADSTS900144", 400, "invalid_request",
     "The request body must contain the following parameter:", NULL},
    {"AADSTS1002012", 400, "invalid_scope",
     "The provided value for scope is not valid. Client credential flows must have a scope value "
     "with /.default suffixed to the resource identifier (application ID URI).",
     NULL},
    {"AADSTS7000218", 401, "invalid_client",
     "The request body must contain the following parameter: 'client_assertion' or "
     "'client_secret'.",
     NULL},
};

static const struct azure_code *code_find(const char *name)
{
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (strcmp(codes[i].name, name) == 0 ||
            (codes[i].alias && strcmp(codes[i].alias, name) == 0))
            return &codes[i];
    return NULL;
}

static void now_print(char ret_text[32])
{
    time_t now = time(NULL);
    struct tm parts;

    gmtime_r(&now, &parts);
    strftime(ret_text, 32, "%Y-%m-%d %H:%M:%SZ", &parts);
}

bool azure_refuse(struct reply *reply, const char *name, const char *detail)
{
    const struct azure_code *found = code_find(name);
    char trace[UUID_BYTES], correlation[UUID_BYTES], now[32];
    CLEANUP(freep) char *description = NULL;
    CLEANUP(freep) char *uri = NULL;
    const char *number;

    if (!found)
        return false;
    number = found->name + strlen("AADSTS");
    uuid_random(trace);
    uuid_random(correlation);
    now_print(now);
    description = must_print("%s: %s%s%s%s Trace ID: %s Correlation ID: %s Timestamp: %s",
                             found->name, found->description, detail ? " '" : "",
                             detail ? detail : "", detail ? "'." : "", trace, correlation, now);
    uri = must_print("https://login.microsoftonline.com/error?code=%s", number);
    reply_json(
        reply, found->status,
        must(json_pack("{s:s, s:s, s:[i], s:s, s:s, s:s, s:s}", "error", found->error,
                       "error_description", description, "error_codes", atoi(number), "timestamp",
                       now, "trace_id", trace, "correlation_id", correlation, "error_uri", uri)));
    return true;
}
