#include "standin/vault/vault.h"

#include <string.h>
#include <time.h>

#include "standin/body.h"
#include "standin/calls.h"
#include "standin/encoding.h"
#include "standin/memory.h"
#include "standin/standin.h"
#include "standin/vault/error.h"
#include "standin/vault/login.h"

#define API         "/v1/"
#define AUTH        API "auth/"
#define LOGIN       "/login"
#define LOOKUP_PATH AUTH "token/lookup-self"

static bool vault_has_path(const char *path)
{
    return strncmp(path, API, strlen(API)) == 0;
}

/* Returns MOUNT of /v1/auth/MOUNT/login, which may have slashes. The caller frees it. */
static char *mount_of(const char *path)
{
    size_t len = strlen(path), around = strlen(AUTH LOGIN);

    if (len <= around || strncmp(path, AUTH, strlen(AUTH)) != 0 ||
        strcmp(path + len - strlen(LOGIN), LOGIN) != 0)
        return NULL;
    return must_print("%.*s", (int)(len - around), path + strlen(AUTH));
}

static bool vault_is_login(const struct request *request)
{
    CLEANUP(freep) char *mount = mount_of(request->path);
    bool is_update = strcmp(request->method, "POST") == 0 || strcmp(request->method, "PUT") == 0;

    return mount && is_update;
}

/* "ns1/ns2", also where it comes as "/ns1/ns2/"; "" for the root. The caller frees it. */
static char *namespace_of(const struct request *request)
{
    const char *header = request_header(request, "X-Vault-Namespace");
    size_t len;

    if (!header)
        return must_copy("");
    header += strspn(header, "/");
    len = strlen(header);
    while (len > 0 && header[len - 1] == '/')
        len--;
    return must_print("%.*s", (int)len, header);
}

static bool vault_answer_login(struct standin *standin, const struct request *request,
                               struct reply *reply)
{
    CLEANUP(freep) char *mount = mount_of(request->path);
    CLEANUP(freep) char *namespace = namespace_of(request);

    return vault_login(standin, request, mount, namespace, reply);
}

static void reply_self(struct reply *reply, const json_t *record)
{
    CLEANUP(freep) char *path = must_print("auth/%s/login", token_member(record, "mount"));
    json_int_t ttl = json_integer_value(json_object_get(record, "expires_at")) - time(NULL);
    char request_id[UUID_BYTES];
    json_t *data;

    uuid_random(request_id);
    data = must(json_pack("{s:O, s:O, s:[s, s], s:{s:O}, s:s, s:I, s:O, s:b, s:s}", "id",
                          json_object_get(record, "value"), "accessor",
                          json_object_get(record, "accessor"), "policies", "default", "ci", "meta",
                          "role", json_object_get(record, "role"), "path", path, "ttl", ttl,
                          "creation_ttl", json_object_get(record, "lease_duration"), "renewable", 1,
                          "type", "service"));
    reply_json(reply, 200,
               must(json_pack("{s:s, s:s, s:b, s:i, s:o, s:n, s:n, s:n}", "request_id", request_id,
                              "lease_id", "", "renewable", 0, "lease_duration", 0, "data", data,
                              "wrap_info", "warnings", "auth")));
}

static const char *credential_of(const struct request *request)
{
    static const char scheme[] = "Bearer ";
    const char *token = request_header(request, "X-Vault-Token");
    const char *authorization = request_header(request, "Authorization");

    if (token || !authorization || strncmp(authorization, scheme, sizeof(scheme) - 1) != 0)
        return token;
    return authorization + sizeof(scheme) - 1;
}

/* A token belongs to the namespace whose auth method issued it. */
static void vault_answer(struct standin *standin, struct request *request, struct reply *reply)
{
    const char *credential = credential_of(request);
    CLEANUP(freep) char *namespace = namespace_of(request);
    CLEANUP(freep) char *mount = mount_of(request->path);
    const json_t *record;

    pthread_mutex_lock(&standin->lock);
    record = credential ? tokens_find_valid(&standin->tokens, VAULT_KIND, credential) : NULL;
    if (mount)
        vault_refuse(reply, 405, "unsupported operation");
    else if (!record || strcmp(token_member(record, "namespace"), namespace) != 0)
        vault_refuse(reply, 403, "permission denied");
    else if (strcmp(request->path, LOOKUP_PATH) != 0 || strcmp(request->method, "GET") != 0)
        vault_refuse(reply, 404, "no handler for route");
    else
        reply_self(reply, record);
    calls_record(standin->calls, request, credential, reply);
    pthread_mutex_unlock(&standin->lock);
}

const struct upstream_kind vault_kind = {
    .name = VAULT_KIND,
    .token_field = "jwt",
    .has_path = vault_has_path,
    .parse = body_json,
    .is_login = vault_is_login,
    .on_login = vault_answer_login,
    .on_call = vault_answer,
    .on_error = vault_error,
};
