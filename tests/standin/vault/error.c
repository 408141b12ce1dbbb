#include "standin/vault/error.h"

#include <string.h>

#include "standin/memory.h"
#include "standin/reply.h"

void vault_refuse(struct reply *reply, unsigned status, const char *text)
{
    reply_json(reply, status, must(json_pack("{s:[s]}", "errors", text)));
}

bool vault_error(const char *name, struct reply *reply)
{
    static const struct {
        const char *name;
        unsigned status;
        const char *text;
    } errors[] = {
        {"denied", 403, "permission denied"},
        {"internal", 500, "internal error"},
        {"no-role", 400, "role \"ci\" could not be found"},
        {"no-token", 400, "error validating token: invalid audience (aud) claim"},
        {"sealed", 503, "Vault is sealed"},
        {"throttled", 429, "request path \"auth/jwt/login\": rate limit quota exceeded"},
        {"unavailable", 503, "local node not active but active cluster node not found"},
    };

    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
        if (strcmp(errors[i].name, name) == 0) {
            vault_refuse(reply, errors[i].status, errors[i].text);
            return true;
        }
    return false;
}
